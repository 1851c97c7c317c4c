import { type Socket } from 'node:net'
import { lengthIn } from './request-bytes.ts'

const LAST_CHUNK = '0\r\n\r\n'

export interface Pieces {
  readonly body: AsyncIterable<Buffer>
  readonly headers: readonly string[]
  /** Whether nobody waits for the rest any more: then no more is taken, and nothing is written. */
  readonly isOver: () => boolean
}

/**
 * Writes a body as it comes, no faster than the backend reads. Answers whether all of it was
 * written; rejects where the body fails, or is longer or shorter than was said.
 */
export async function sendPieces(socket: Socket, pieces: Pieces): Promise<boolean> {
  const { body, headers, isOver } = pieces
  let left = lengthIn(headers)
  const chunked = left === undefined
  for await (const piece of body) {
    if (isOver()) return false
    if (piece.length === 0) continue
    if (left !== undefined && (left -= piece.length) < 0) throw new Error('a body that is too long')
    if (!write(socket, piece, chunked)) await drained(socket)
  }
  if (isOver()) return false
  if (left !== undefined && left > 0) throw new Error('a body that is too short')
  if (chunked) socket.write(LAST_CHUNK)
  return true
}

function write(socket: Socket, piece: Buffer, chunked: boolean): boolean {
  if (!chunked) return socket.write(piece)
  socket.cork()
  socket.write(`${piece.length.toString(16)}\r\n`)
  socket.write(piece)
  const goOn = socket.write('\r\n')
  socket.uncork()
  return goOn
}

/** Or closed: who writes then sees that it is over. */
function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    const settle = () => {
      socket.off('drain', settle).off('close', settle)
      resolve()
    }
    socket.on('drain', settle).on('close', settle)
  })
}
