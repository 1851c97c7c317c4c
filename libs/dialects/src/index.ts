export * from './dialect.ts'
export * from './kinds.ts'
export * from './openai/index.ts'
export * from './upstream-path.ts'
