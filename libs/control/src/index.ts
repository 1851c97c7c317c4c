export * from './command.ts'
export { decide, decideAll } from './decide.ts'
export * from './diff.ts'
