// A backend that costs less than whatever stands before it: raw sockets, one canned answer. A
// request whose body has "stream":true gets a stream that goes on until its client leaves, a chunk
// every PACE_MS. Prints its port; ends when its parent does (standard input).
import { createServer, type Socket } from 'node:net'

const PACE_MS = 10
const HEAD_END = '\r\n\r\n'
const LENGTH = /\r\ncontent-length: *(\d+)/i
const answer = JSON.stringify({
  ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm' },
  choices: [
    {
      ...{ index: 0, finish_reason: 'stop' },
      message: { role: 'assistant', content: 'word '.repeat(220) },
    },
  ],
  usage: { prompt_tokens: 250, completion_tokens: 220, total_tokens: 470 },
})
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`,
)
const STREAM = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
)
const delta = JSON.stringify({
  ...{ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm' },
  choices: [{ index: 0, delta: { content: ' word' }, finish_reason: null }],
})
const event = `data: ${delta}\n\n`
const EVENT = Buffer.from(`${event.length.toString(16)}\r\n${event}\r\n`)

const streams = new Set<Socket>()
setInterval(() => {
  for (const socket of streams) socket.write(EVENT)
}, PACE_MS)

const server = createServer((socket) => {
  socket.setNoDelay(true)
  let head = ''
  /** Of the body that is being skipped; -1 while a head is read. */
  let left = -1
  let streamed = false
  const done = () => {
    left = -1
    if (!streamed) return void socket.write(ANSWER)
    socket.write(STREAM)
    streams.add(socket)
  }
  const read = (bytes: Buffer): void => {
    if (left >= 0) {
      streamed ||= bytes.includes('"stream":true')
      left -= bytes.length
      return left <= 0 ? done() : undefined
    }
    head += bytes.toString('latin1')
    const end = head.indexOf(HEAD_END)
    if (end < 0) return
    const rest = head.slice(end + HEAD_END.length)
    left = Number(LENGTH.exec(head.slice(0, end + 2))?.[1] ?? 0)
    head = ''
    streamed = false
    if (left === 0) done()
    else if (rest !== '') read(Buffer.from(rest, 'latin1'))
  }
  const forget = () => void streams.delete(socket)
  socket.on('data', read).on('error', forget).on('close', forget)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(typeof address === 'object' ? address?.port : '')
})
process.stdin.resume().on('end', () => process.exit())
