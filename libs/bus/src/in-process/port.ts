import { type Unsubscribe } from '../bus.ts'

/** One end of a channel between two processes. What travels is JSON-serialisable. */
export interface Port {
  /** False where it was not taken: too much waits to be sent, or the other end is gone. */
  postMessage(value: object): boolean
  onMessage(listener: (value: unknown) => void): Unsubscribe
  onClose(listener: () => void): Unsubscribe
}

/** What `process` in a forked child and its ChildProcess in the parent have in common. */
export interface IpcChannel {
  readonly connected: boolean
  send?(message: object, onSent: (error: Error | null) => void): boolean
  on(event: 'message', listener: (value: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
  off(event: 'message', listener: (value: unknown) => void): unknown
  off(event: 'disconnect', listener: () => void): unknown
}

/** Messages that wait for a process that does not read; more are shed. */
const UNSENT_MAX = 1_024

/** The IPC channel of a forked process as a port. The channel itself stays its owner's. */
export function ipcPort(channel: IpcChannel): Port {
  let unsent = 0
  return {
    postMessage: (value) => {
      if (!channel.connected || !channel.send || unsent >= UNSENT_MAX) return false
      unsent += 1
      channel.send(value, () => (unsent -= 1))
      return true
    },
    onMessage: (listener) => {
      channel.on('message', listener)
      return () => void channel.off('message', listener)
    },
    onClose: (listener) => {
      channel.on('disconnect', listener)
      return () => void channel.off('disconnect', listener)
    },
  }
}
