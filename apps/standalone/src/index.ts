export { compose } from './compose.ts'
export { type Flags, readFlags } from './flags.ts'
