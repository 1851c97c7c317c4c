import { createReadStream, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { sha256, verifyBytes } from '@signalbox/host'
import {
  ChainCheck,
  type Checkpoint,
  openCheckpoint,
  openKept,
  parseVerifierKey,
  type RevisionMessage,
} from '@signalbox/model'
import { type FileProblem, type Report } from './audit.ts'
import { type Context } from './context.ts'
import { failed, usage } from './failure.ts'
import { type Io } from './io.ts'

export interface VerifyOptions {
  readonly key?: string
  readonly checkpoint?: readonly string[]
}

interface Key {
  readonly name: string
  readonly publicKey: Uint8Array
}

const PROBLEMS_MAX = 100
const NO_KEY = 'there is no key to check it with'
const MESSAGE_FIELDS = {
  ...{ lineage: 'string', previousHash: 'string', hash: 'string', body: 'string' },
  ...{ epoch: 'number', revision: 'number' },
} as const

/*
 * An export is read twice, a line at a time, so that its size does not matter: first for its key
 * and its checkpoints, which stand at its end, then for its revisions, which these speak of. An
 * export ends with the checkpoint of its last revision: without one it was cut off.
 */
export async function verifyFile(
  context: Context,
  file: string,
  { key: wanted, checkpoint: files = [] }: VerifyOptions,
): Promise<Report> {
  const { io } = context
  const found = new Findings()
  const { key: itsKey, notes } = await readNotes(file, io, found)
  const trusted = wanted === undefined ? undefined : readKey(wanted, io)
  const key = trusted ?? itsKey
  if (trusted === undefined) {
    await context.note('no --key: the key of the export itself is taken, which proves no origin')
  } else if (itsKey && !isSame(trusted, itsKey)) found.add(1, 'its key is not the one of --key')
  const opened = openAll(notes, key, found)
  const own = opened.length
  for (const name of files) opened.push(...openFile(name, { io, key, found }))
  const chain = new ChainCheck(sha256, opened)
  await readRevisions(file, io, chain)
  const report = chain.end()
  const ends = opened.slice(0, own).some(({ revision }) => revision === report.revision)
  if (!ends) found.add(null, 'it does not end with the checkpoint of its last revision: cut off')
  const problems = [...found.problems, ...report.problems]
  return { ...report, ok: problems.length === 0, problems, checkpoints: opened.length }
}

/** What is wrong with the export, beside the chain: a few are enough. */
class Findings {
  readonly problems: FileProblem[] = []

  /** `null`: of no line in particular. */
  add(line: number | null, message: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ line, message })
  }
}

interface Note {
  readonly line: number
  readonly note: string
}

async function readNotes(file: string, io: Io, found: Findings) {
  const notes: Note[] = []
  let key: Key | undefined
  for await (const { line, value } of linesOf(file, io)) {
    const { kind } = value ?? {}
    if (!value) found.add(line, 'is not a whole line of JSON')
    else if (line === 1) {
      key = typeof value['key'] === 'string' ? parseVerifierKey(value['key'], sha256) : undefined
      if (kind !== 'log') found.add(line, 'is not the beginning of an export')
      else if (!key) found.add(line, 'holds no key')
    } else if (kind === 'checkpoint' && typeof value['note'] === 'string') {
      notes.push({ line, note: value['note'] })
    } else if (kind === 'revision') {
      if (!isMessage(value)) found.add(line, 'is not a revision')
      else if (notes.length > 0) found.add(line, 'a revision stands behind a checkpoint')
    } else found.add(line, 'is neither a revision nor a checkpoint')
  }
  return { key, notes }
}

/** Checkpoints of a former key are passed over where a later one is of this key. */
function openAll(notes: readonly Note[], key: Key | undefined, found: Findings): Checkpoint[] {
  const say = (index: number, why: string) =>
    found.add(notes[index]?.line ?? null, `its checkpoint: ${why}`)
  if (!key) {
    for (const index of notes.keys()) say(index, NO_KEY)
    return []
  }
  const texts = notes.map(({ note }) => note)
  const kept = openKept(texts, [key.publicKey], { verify: verifyBytes, sha256 })
  for (const { index, message } of kept.problems) say(index, message)
  return kept.checkpoints.flatMap(({ index, checkpoint }) => {
    if (checkpoint.origin === key.name) return [checkpoint]
    say(index, `is of ${checkpoint.origin}`)
    return []
  })
}

/** The checkpoint, or why it is none of this key. */
function open(note: string, key: Key | undefined): Checkpoint | string {
  if (!key) return NO_KEY
  const opened = openCheckpoint(note, {
    ...{ publicKey: key.publicKey, sha256 },
    verify: verifyBytes,
  })
  if (!opened.ok) return opened.error
  return opened.value.origin === key.name ? opened.value : `is of ${opened.value.origin}`
}

/** A note that was kept somewhere else: the text alone, or what `--json` printed. */
function openFile(
  name: string,
  { io, key, found }: { readonly io: Io; readonly key: Key | undefined; readonly found: Findings },
): readonly Checkpoint[] {
  const text = readText(name, io)
  const value = text.startsWith('{') ? parseObject(text) : undefined
  const note = typeof value?.['note'] === 'string' ? value['note'] : text
  const opened = open(note, key)
  if (typeof opened !== 'string') return [opened]
  found.add(null, `the checkpoint in ${name}: ${opened}`)
  return []
}

async function readRevisions(file: string, io: Io, chain: ChainCheck): Promise<void> {
  for await (const { value } of linesOf(file, io)) {
    if (value?.['kind'] !== 'revision' || !isMessage(value)) continue
    const { lineage, epoch, revision, previousHash, hash, body } = value
    if (!chain.next({ lineage, epoch, revision, previousHash, hash, body })) return
  }
}

type Value = Readonly<Record<string, unknown>>

function isMessage(value: unknown): value is RevisionMessage {
  const given = value as Value
  const fits = Object.entries(MESSAGE_FIELDS).every(([name, type]) => typeof given[name] === type)
  const isHash = (text: unknown) => typeof text === 'string' && /^[0-9a-f]{64}$/.test(text)
  return fits && isHash(given['hash']) && isHash(given['previousHash'])
}

async function* linesOf(
  file: string,
  io: Io,
): AsyncGenerator<{ readonly line: number; readonly value: Value | undefined }> {
  let line = 0
  let rest = ''
  try {
    const parts = createReadStream(resolve(io.cwd, file), { encoding: 'utf8', signal: io.signal })
    for await (const part of parts) {
      const lines = `${rest}${part}`.split('\n')
      rest = lines.pop() ?? ''
      for (const text of lines) yield { line: ++line, value: parseObject(text) }
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (io.signal.aborted || code === undefined) throw error
    throw failed(`${file} cannot be read (${code})`)
  }
  // Every line of an export is ended: this one was cut.
  if (rest !== '') yield { line: line + 1, value: undefined }
}

function parseObject(text: string): Value | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Value) : undefined
  } catch {
    return undefined
  }
}

/** The key itself, or a file that holds it. */
function readKey(text: string, io: Io): Key {
  const key = parseVerifierKey(text, sha256) ?? parseVerifierKey(readText(text, io), sha256)
  if (key) return key
  throw usage('--key is no key of a log', 'Expected signalbox/FLEET/LINEAGE+HASH+KEY, or its file.')
}

function readText(name: string, io: Io): string {
  try {
    return readFileSync(resolve(io.cwd, name), 'utf8')
  } catch (error) {
    throw failed(`${name} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function isSame(a: Key, b: Key): boolean {
  return a.name === b.name && Buffer.from(a.publicKey).equals(b.publicKey)
}
