import { Writable } from 'node:stream'
import { createLog, type Level, LEVELS, parseLevels, readLevels, silentLog } from './log.ts'

/** What the log of a room writes, as objects. */
function written(room: string, levels: string) {
  const lines: string[] = []
  const parsed = parseLevels(levels)
  if (!parsed) throw new Error(`no levels: ${levels}`)
  const log = createLog(room, parsed, {
    write: (line) => void lines.push(line),
  })
  return { log, lines, read: () => lines.map((line) => JSON.parse(line)) }
}

function sayAll(log: ReturnType<typeof createLog>): void {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({}, level)
}

describe('parseLevels', () => {
  const byRoom = (...pairs: [string, Level][]) => new Map(pairs)

  it.each([
    ['warn', { standard: 'warn', byRoom: byRoom() }],
    ['proxy=debug', { standard: 'info', byRoom: byRoom(['proxy', 'debug']) }],
    [
      'error,proxy=debug,bus=silent',
      {
        standard: 'error',
        byRoom: byRoom(['proxy', 'debug'], ['bus', 'silent']),
      },
    ],
  ])('takes %j', (text, levels) => expect(parseLevels(text)).toEqual(levels))

  it.each(LEVELS.map((level) => [level]))('takes the level %s', (level) => {
    expect(parseLevels(level)?.standard).toBe(level)
  })

  it('takes space around names, which would otherwise name no room', () => {
    const levels = { standard: 'warn', byRoom: byRoom(['proxy', 'debug'], ['bus', 'info']) }
    expect(parseLevels(' warn , proxy=debug, bus = info ')).toEqual(levels)
  })

  it.each(['', 'loud', 'INFO', 'proxy=', 'proxy=loud', 'info,', 'toString'])('refuses %j', (text) =>
    expect(parseLevels(text)).toBeUndefined(),
  )

  it.each(['=debug', 'proxy=debug=info'])('refuses %j, which is no pair', (text) =>
    expect(parseLevels(text)).toBeUndefined(),
  )
})

describe('readLevels', () => {
  it('answers what the environment asks for, or else what the caller says', () => {
    expect(readLevels({ SIGNALBOX_LOG: 'error' }, 'debug').standard).toBe('error')
    expect([readLevels({}).standard, readLevels({}, 'debug').standard]).toEqual(['info', 'debug'])
  })

  it('refuses others, and lists the levels', () => {
    expect(() => readLevels({ SIGNALBOX_LOG: 'loud' })).toThrow(
      /^SIGNALBOX_LOG is "loud"; expected a level \(trace, debug, info, warn, error, silent\) /,
    )
  })
})

describe('createLog', () => {
  it('writes one line of JSON: level, time, room, fields, sentence', () => {
    const { log, lines, read } = written('proxy', 'info')
    log.warn({ backend: 'b1', text: 'two\nlines' }, 'it is slow')
    expect(lines).toEqual([expect.stringMatching(/^[^\n]*\n$/)])
    expect(read()).toEqual([
      {
        level: 40,
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        room: 'proxy',
        backend: 'b1',
        text: 'two\nlines',
        msg: 'it is slow',
      },
    ])
  })

  it.each<[string, readonly string[]]>([
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['info', ['info', 'warn', 'error']],
    ['error', ['error']],
    ['silent', []],
    ['error,proxy=warn', ['warn', 'error']],
    ['debug,bus=silent', ['debug', 'info', 'warn', 'error']],
    ['debug,proxy=silent', []],
  ])('of the room proxy at %j writes %j', (levels, messages) => {
    const { log, read } = written('proxy', levels)
    sayAll(log)
    expect(read().map(({ msg }) => msg)).toEqual(messages)
  })

  it('writes nothing of the process: no environment, no host, no arguments', () => {
    const { log, read } = written('proxy', 'info')
    log.info({}, 'hello')
    expect(Object.keys(read()[0]).sort()).toEqual(['level', 'msg', 'room', 'time'])
  })

  it('writes an error’s cause under err, where the operator looks for it', () => {
    const { log, read } = written('bus', 'info')
    log.error({ err: new Error('it broke') }, 'no answer')
    expect(read()).toMatchObject([{ err: { type: 'Error', message: 'it broke' } }])
  })

  it('writes to any stream', () => {
    const chunks: string[] = []
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        chunks.push(chunk.toString())
        done()
      },
    })
    createLog('bus', readLevels({}), stream).info({}, 'hello')
    expect(chunks).toHaveLength(1)
  })
})

describe('silentLog', () => {
  it('has all levels and none says anything', () => {
    expect(() => sayAll(silentLog)).not.toThrow()
  })
})
