import { runMain } from '@signalbox/host'
import { compose } from './compose.ts'
import { readFlags } from './flags.ts'

const ARGUMENTS_FROM = 2

await runMain(() => compose(readFlags(process.argv.slice(ARGUMENTS_FROM)), process.env), {
  stopWithParent: true,
})
