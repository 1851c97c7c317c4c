import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Gives what nobody refers to back to the system, now. It stops the process for as long as it takes
 * to walk through all that is kept (100 MB: a tenth of a second): for a moment when nobody waits,
 * such as after a start that has read a lot. Left to itself V8 keeps the room for what will come.
 */
export function shedGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: object) => void
  setFlagsFromString('--no-expose-gc')
  collect({ type: 'major', flavor: 'last-resort' })
}
