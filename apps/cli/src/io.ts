import { type Env } from '@signalbox/host'

/** Where text goes; a process's stream, or one that a test reads. */
export interface Output {
  write(text: string | Uint8Array): boolean
  once(event: 'drain' | 'error', heard: (error?: Error) => void): unknown
  readonly isTTY?: boolean
}

/** Where text comes from; a terminal can be told not to show what is typed. */
export interface Input extends AsyncIterable<string | Uint8Array> {
  readonly isTTY?: boolean
  setRawMode?(raw: boolean): unknown
}

/** All that the command knows of the machine it runs on. */
export interface Io {
  readonly env: Env
  /** Relative paths start here. */
  readonly cwd: string
  readonly home: string
  readonly platform: string
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  /** Aborts when somebody interrupts (Ctrl-C). */
  readonly signal: AbortSignal
}

/** Settles when the stream takes more: a slow reader holds up the writer, not the memory. */
export function writeTo(output: Output, text: string | Uint8Array): Promise<void> {
  if (output.write(text)) return Promise.resolve()
  return new Promise((resolve) => output.once('drain', () => resolve()))
}
