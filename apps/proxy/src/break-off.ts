import { type ServerResponse } from 'node:http'
import { type Clock } from '@signalbox/host'

/** How long a client may take to read the last event of a stream that broke off. */
const LAST_EVENT_MS = 5_000

/** Breaks a stream's connection, without the final chunk, once the client has this last event. */
export function breakOff(response: ServerResponse, clock: Clock, event?: string): void {
  const { socket } = response
  if (!socket || socket.destroyed) return
  if (event !== undefined) response.write(event)
  socket.destroySoon()
  const cancel = clock.after(LAST_EVENT_MS, () => socket.destroy())
  socket.once('close', cancel)
}
