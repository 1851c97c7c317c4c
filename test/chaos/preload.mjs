// Loaded into a process of the fleet before its own code (--import): what chaos does to it from the
// inside, told by files in CHAOS_FOLDER. `full`: whatever writes finds the disk full. `clock`: the
// wall clock is so many milliseconds off; the monotonic one is not, as on a real machine.
import { existsSync, readFileSync } from 'node:fs'
import fs, { open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'

const folder = process.env.CHAOS_FOLDER ?? ''
const LOOK_MS = 100

const isFull = () => existsSync(join(folder, 'full'))
const noSpace = (syscall) =>
  Object.assign(new Error(`ENOSPC: no space left on device, ${syscall}`), {
    code: 'ENOSPC',
    errno: -28,
    syscall,
  })

function refuseWhereFull(object, names, writes = () => true) {
  for (const name of names) {
    const act = object[name]
    object[name] = function (...args) {
      return isFull() && writes(...args) ? Promise.reject(noSpace(name)) : act.apply(this, args)
    }
  }
}

const handle = await open(import.meta.filename)
refuseWhereFull(Object.getPrototypeOf(handle), ['write', 'writev', 'writeFile', 'appendFile'])
await handle.close()
refuseWhereFull(fs, ['writeFile', 'appendFile', 'mkdir'])
refuseWhereFull(fs, ['open'], (_path, flags = 'r') => /[wa+]/.test(String(flags)))
syncBuiltinESMExports()

let offsetMs = 0
setInterval(() => {
  try {
    offsetMs = Number(readFileSync(join(folder, 'clock'), 'utf8'))
  } catch {
    offsetMs = 0
  }
}, LOOK_MS).unref()

const TrueDate = Date
globalThis.Date = class extends TrueDate {
  constructor(...args) {
    if (args.length > 0) super(...args)
    else super(TrueDate.now() + offsetMs)
  }

  static now() {
    return TrueDate.now() + offsetMs
  }
}
