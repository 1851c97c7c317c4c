import { mkdirSync, readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Log } from '@signalbox/host'

const FILE_MODE = 0o600

/**
 * Which models the probes have found at which backend. Kept over a restart: a proxy that comes up
 * while every probe is down must know what it served before. What cannot be read is found anew.
 */
export class FoundModels {
  readonly #path: string
  readonly #log: Log
  readonly #keeps: boolean
  readonly #byBackend: Map<string, readonly string[]>
  #saving: Promise<void> | undefined
  #again = false

  /** `keeps`: false where another process writes the file, and this one only reads it. */
  constructor(path: string, log: Log, keeps = true) {
    this.#keeps = keeps
    this.#path = path
    this.#log = log
    this.#byBackend = load(path)
  }

  /** Model names by backend, as compile() takes them. */
  get byBackend(): ReadonlyMap<string, readonly string[]> {
    return this.#byBackend
  }

  /** Whether that is news. */
  set(backend: string, models: readonly string[]): boolean {
    if (same(this.#byBackend.get(backend), models)) return false
    this.#byBackend.set(backend, models)
    this.#save()
    return true
  }

  keepOnly(exists: (backend: string) => boolean): void {
    const gone = [...this.#byBackend.keys()].filter((backend) => !exists(backend))
    for (const backend of gone) this.#byBackend.delete(backend)
    if (gone.length > 0) this.#save()
  }

  /** Settles when all is written. */
  async saved(): Promise<void> {
    while (this.#saving) await this.#saving
  }

  #save(): void {
    if (!this.#keeps) return
    this.#again = true
    this.#saving ??= this.#write().finally(() => (this.#saving = undefined))
  }

  async #write(): Promise<void> {
    const temporary = `${this.#path}.tmp`
    while (this.#again) {
      this.#again = false
      try {
        mkdirSync(dirname(this.#path), { recursive: true })
        const text = JSON.stringify(Object.fromEntries(this.#byBackend))
        await writeFile(temporary, text, { mode: FILE_MODE })
        await rename(temporary, this.#path)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        this.#log.warn({ code }, 'the models that were found cannot be kept over a restart')
      }
    }
  }
}

function load(path: string): Map<string, readonly string[]> {
  try {
    const kept: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const entries = Object.entries(kept as object)
    return new Map(entries.filter((entry): entry is [string, string[]] => isNames(entry[1])))
  } catch {
    return new Map()
  }
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}

function same(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((model, index) => model === b[index])
}
