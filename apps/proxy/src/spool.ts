import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const SUFFIX = '.ndjson'
const TEMPORARY = '.tmp'
const FILE_MODE = 0o600

export interface Spooled {
  readonly id: string
  readonly text: string
}

/**
 * Batches that could not be delivered, a file each, within a bound of bytes; they outlive the
 * process. Rejects only where the disk fails.
 */
export class Spool {
  readonly #dir: string
  readonly #bytesMax: number
  readonly #sizes = new Map<string, number>()
  #bytes = 0

  constructor(dir: string, bytesMax: number) {
    this.#dir = dir
    this.#bytesMax = bytesMax
  }

  bytes(): number {
    return this.#bytes
  }

  /** Finds what an earlier process left. */
  async open(): Promise<void> {
    await mkdir(this.#dir, { recursive: true })
    for (const name of (await readdir(this.#dir)).sort()) {
      const path = join(this.#dir, name)
      if (name.endsWith(TEMPORARY)) await rm(path, { force: true })
      if (name.endsWith(SUFFIX)) this.#add(name.slice(0, -SUFFIX.length), (await stat(path)).size)
    }
  }

  /** False where the batch is over the bound. */
  async add({ id, text }: Spooled): Promise<boolean> {
    const bytes = Buffer.byteLength(text)
    if (this.#bytes + bytes > this.#bytesMax) return false
    this.#add(id, bytes)
    const path = this.#pathOf(id)
    try {
      await writeFile(path + TEMPORARY, text, { mode: FILE_MODE })
      await rename(path + TEMPORARY, path)
    } catch (error) {
      this.#forget(id)
      throw error
    }
    return true
  }

  /** One of them; null where there is none. */
  async first(): Promise<Spooled | null> {
    for (const id of [...this.#sizes.keys()]) {
      try {
        return { id, text: await readFile(this.#pathOf(id), 'utf8') }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        this.#forget(id)
      }
    }
    return null
  }

  async remove(id: string): Promise<void> {
    await rm(this.#pathOf(id), { force: true })
    this.#forget(id)
  }

  #add(id: string, bytes: number): void {
    this.#sizes.set(id, bytes)
    this.#bytes += bytes
  }

  #forget(id: string): void {
    this.#bytes -= this.#sizes.get(id) ?? 0
    this.#sizes.delete(id)
  }

  #pathOf(id: string): string {
    return join(this.#dir, `${id}${SUFFIX}`)
  }
}
