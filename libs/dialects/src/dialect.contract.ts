import { CODES, type Failure, type FailureCode } from '@signalbox/model'
import { type Dialect } from './dialect.ts'

/** What a dialect's own spec hands to the contract: examples of its wire format. */
export interface DialectExamples {
  readonly dialect: Dialect
  /** Whole streams, as real servers write them. */
  readonly wholeStreams: readonly string[]
  /** Answers to the discovery path, and the names in them. */
  readonly lists: readonly (readonly [body: unknown, names: readonly string[]])[]
}

const FAILURE_CODES = Object.entries(CODES)
  .filter(([, row]) => row.plane === 'proxy')
  .map(([code]) => code as FailureCode)

function failure(code: FailureCode): Failure {
  return { code, source: 'internal', nothingSent: true, message: 'Line 1\nline 2 "quoted" é' }
}

function tailOf({ tailBytes }: Dialect, text: string): Uint8Array {
  return new TextEncoder().encode(text).slice(-tailBytes)
}

/** What every dialect must do, whatever its format. Call it in the dialect's spec. */
export function describeDialect({ dialect, wholeStreams, lists }: DialectExamples): void {
  describe(`the dialect ${dialect.name}`, () => {
    it('declares operations of different names and paths', () => {
      const { operations } = dialect
      expect(operations.length).toBeGreaterThan(0)
      expect(new Set(operations.map(({ name }) => name)).size).toBe(operations.length)
      const calls = operations.map(({ method, path }) => `${method} ${path}`)
      expect(new Set(calls).size).toBe(operations.length)
      expect(calls.filter((call) => !/^(GET|POST|DELETE) (\/[\w.:{}-]+)+$/.test(call))).toEqual([])
    })

    it.each(FAILURE_CODES)('shows a client the code, the text and the request of %s', (code) => {
      const body = dialect.errorBody(failure(code), 'request-7')
      expect(JSON.parse(body)).toBeInstanceOf(Object)
      expect(body).toContain(`"${code}"`)
      expect(body).toContain('request-7')
      expect(body).toContain(JSON.stringify(failure(code).message).slice(1, -1))
    })

    it('never shows a client the cause of a failure', () => {
      const withCause = { ...failure('upstream_failed'), cause: 'canary' }
      expect(dialect.errorBody(withCause, 'r')).not.toContain('canary')
      expect(dialect.streamError(withCause, 'r')).not.toContain('canary')
    })

    it('ends a broken stream with a whole event, which no half event can swallow', () => {
      const ofEvents = dialect.chat.streamType === 'text/event-stream'
      const [begin, between, whole] = ofEvents
        ? (['data: ', '\n\n', /^(event|data):/] as const)
        : (['', '\n', /^\{[^\n]*\}$/] as const)
      const error = dialect.streamError(failure('stream_cut'), 'r')
      const text = `${begin}{"half": "of an ev${error}`
      expect(text.endsWith(between)).toBe(true)
      const events = text.split(between).filter((event) => event.trim() !== '')
      expect(events).toHaveLength(2)
      expect(events[1]).toContain('"stream_cut"')
      expect(events[1]?.trim()).toMatch(whole)
    })

    it('says no less of a break where nothing was begun', () => {
      const [short, long] = [true, false].map((atLineStart) =>
        dialect.streamError(failure('stream_cut'), 'r', atLineStart),
      )
      expect(short?.trim()).toBe(long?.trim())
    })

    it('does not take its own error event for a good end', () => {
      const event = dialect.streamError(failure('stream_cut'), 'r')
      expect(dialect.endsWell(tailOf(dialect, event))).toBe(false)
    })

    it('recognises a whole stream by its last bytes', () => {
      expect(wholeStreams.filter((s) => !dialect.endsWell(tailOf(dialect, s)))).toEqual([])
    })

    it('takes no stream for whole that is cut before its last event', () => {
      for (const stream of wholeStreams) {
        const lastEvent = stream.trimEnd().search(/\S[^\r\n]*$/)
        for (let end = 0; end <= lastEvent; end += 1) {
          const cut = stream.slice(0, end)
          expect([cut, dialect.endsWell(tailOf(dialect, cut))]).toEqual([cut, false])
        }
      }
    })

    it('reads the names in the lists of models that it knows', () => {
      for (const [body, names] of lists) expect(dialect.readModels(body)).toEqual(names)
    })

    it.each([undefined, null, 5, 'data', [], {}, { error: { message: 'no' } }])(
      'takes %j for no list of models',
      (body) => expect(dialect.readModels(body)).toBeUndefined(),
    )

    it('lists models in a way that it can read itself', () => {
      const models = ['a', 'team/b'].map((id) => ({ id, ownedBy: 'x', createdS: 1 }))
      expect(dialect.readModels(JSON.parse(dialect.modelList(models)))).toEqual(['a', 'team/b'])
      expect(dialect.readModels(JSON.parse(dialect.modelList([])))).toEqual([])
      for (const model of models) {
        expect(Object.values(JSON.parse(dialect.modelEntry(model)))).toContain(model.id)
      }
    })
  })
}
