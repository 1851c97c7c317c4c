// The processes of a fleet that chaos ends, stops, and starts again.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type App, type Started, startProcess } from '../e2e/processes-harness.ts'

export type Kind = 'admin' | 'probe' | 'proxy' | 'backend'

export interface PartOptions {
  readonly name: string
  readonly kind: Kind
  readonly app: App
  readonly env: Readonly<Record<string, string>>
  /** Its program, where that is not the app's. */
  readonly main?: string
  /** Where it listens: host:port. */
  readonly address: string
  /** Of its own: what is told to the preload lies there. */
  readonly folder: string
}

const PRELOAD = join(import.meta.dirname, 'preload.mjs')
const OUTPUT_SHOWN = 2_000
/** With what a process ends that cannot start as it is told to: whoever watches over it repeats. */
const EX_CONFIG = 78
const NO_DATABASE = 'the database does not answer'
const RESTART_MS = 1_000

/**
 * One process, over all its lives. An admin API that finds no database at its start ends, and is
 * started again, as systemd and Kubernetes do; any other end that nobody asked for is a problem.
 */
export class Part {
  readonly name: string
  readonly kind: Kind
  readonly address: string
  readonly #options: PartOptions
  #one: Started | undefined
  #killed = true
  #problem: string | undefined
  #restart: NodeJS.Timeout | undefined
  /** Deaths so far, counted when one begins and when it is over. */
  deaths = 0

  constructor(options: PartOptions) {
    this.#options = options
    this.name = options.name
    this.kind = options.kind
    this.address = options.address
  }

  get folder(): string {
    return this.#options.folder
  }

  start(): void {
    const { app, env, main, folder } = this.#options
    const [mine, chaos] = [{ CHAOS_FOLDER: folder }, { NODE_OPTIONS: `--import=${PRELOAD}` }]
    const one = startProcess(app, { env: { ...env, ...mine, ...chaos }, ...(main ? { main } : {}) })
    this.#one = one
    this.#killed = false
    void one.exited.then((code) => {
      if (one !== this.#one || this.#killed) return
      this.#killed = true
      const waits = code === EX_CONFIG && one.output().includes(NO_DATABASE)
      if (waits) this.#restart = setTimeout(() => this.start(), RESTART_MS)
      else this.#problem = `${this.name} ended by itself (${code}): ${this.output}`
    })
  }

  /** Is not started again by itself. */
  leave(): void {
    this.#killed = true
    clearTimeout(this.#restart)
  }

  async kill(): Promise<void> {
    const one = this.#one
    if (!one) return
    this.leave()
    this.deaths++
    one.child.kill('SIGKILL')
    await one.exited
    this.deaths++
  }

  stop(): void {
    this.#one?.child.kill('SIGSTOP')
  }

  goOn(): void {
    this.#one?.child.kill('SIGCONT')
  }

  /** Tells its preload; null takes it back. */
  tell(what: 'full' | 'clock', text: string | null): void {
    const path = join(this.folder, what)
    mkdirSync(this.folder, { recursive: true })
    if (text === null) rmSync(path, { force: true })
    else writeFileSync(path, text)
  }

  /** What it wrote, where it ended without being told to. */
  get problem(): string | undefined {
    return this.#problem
  }

  get output(): string {
    return this.#one?.output().slice(-OUTPUT_SHOWN) ?? ''
  }
}
