import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { EXIT, Failure, failed, usage } from './failure.ts'
import { type Io, writeTo } from './io.ts'

const BYTES_MAX = 16_384
const ENTER = ['\r', '\n']
const ERASE = ['\b', '\x7f']
const INTERRUPT = '\x03'
const END = '\x04'

/**
 * A value that nobody else sees: from a file, from stdin, or typed without an echo. Never an
 * argument: these are in the process list and in the shell's history.
 */
export async function readValue(io: Io, name: string, file: string | undefined): Promise<string> {
  const { stdin } = io
  const typed = file === undefined && stdin.isTTY === true
  const text = file !== undefined ? readFile(io, file) : typed ? typing(io, name) : piped(io)
  // Files and `echo` end with a line break that is no part of it.
  const value = (await text).replace(/\r?\n$/, '')
  if (value !== '') return value
  throw usage('the value is empty', 'Give it on stdin, or with --file FILE.')
}

function readFile({ cwd }: Io, file: string): string {
  try {
    return readFileSync(resolve(cwd, file), 'utf8')
  } catch (error) {
    throw failed(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

async function piped({ stdin }: Io): Promise<string> {
  let text = ''
  for await (const part of stdin) {
    text += Buffer.from(part).toString('utf8')
    if (text.length > BYTES_MAX) throw failed(`stdin holds more than ${BYTES_MAX} bytes`)
  }
  return text
}

/** One line in raw mode: the terminal shows nothing of it. */
async function typing({ stdin, stderr }: Io, name: string): Promise<string> {
  await writeTo(stderr, `Value of ${name} (it is not shown): `)
  stdin.setRawMode?.(true)
  let text = ''
  try {
    for await (const part of stdin) {
      for (const character of Buffer.from(part).toString('utf8')) {
        if (character === INTERRUPT) {
          throw new Failure({ exitCode: EXIT.interrupted, detail: 'interrupted' })
        }
        if (ENTER.includes(character) || character === END) return text
        text = ERASE.includes(character) ? text.slice(0, -1) : text + character
      }
    }
    return text
  } finally {
    stdin.setRawMode?.(false)
    await writeTo(stderr, '\n')
  }
}
