import { type Snapshot } from '@signalbox/model'
import { type Command } from './command.ts'
import { decide } from './decide.ts'
import { snapshotOf } from './snapshot-harness.ts'

const URL1 = 'http://127.0.0.1:8000'
const stored = { sealed: 'AQID', fingerprint: 'f00d' }
const backend = (credential?: unknown) => ({
  kind: 'openai',
  url: URL1,
  ...(credential === undefined ? {} : { credential }),
})
const withCredential = snapshotOf({ backends: { b1: backend(stored) } })
const without = snapshotOf({ backends: { b1: backend() } })

const put = (spec: unknown): Command => ({
  op: 'put',
  resource: 'backend',
  id: 'b1',
  spec,
  ifMatch: null,
})
const patch = (change: unknown): Command => ({
  op: 'patch',
  resource: 'backend',
  id: 'b1',
  patch: change,
  ifMatch: null,
})

/** The credential after the command; `unchanged` where it drafts nothing. */
function credentialAfter(command: Command, snapshot: Snapshot): unknown {
  const decided = decide(command, snapshot)
  if (!decided.ok) return decided.error.errors?.map((error) => error.path)
  const [draft] = decided.value
  if (!draft) return 'unchanged'
  return draft.spec && 'credential' in draft.spec ? draft.spec.credential : undefined
}

describe('a credential that is shown as its fingerprint', () => {
  const shown = { fingerprint: 'f00d' }

  it('means the stored one when it is put back', () => {
    expect(credentialAfter(put(backend(shown)), withCredential)).toBe('unchanged')
    const heavier = { ...backend(shown), weight: 2 }
    expect(credentialAfter(put(heavier), withCredential)).toEqual(stored)
  })

  it('means the stored one in a patch', () => {
    expect(credentialAfter(patch({ credential: shown }), withCredential)).toBe('unchanged')
  })

  it.each<[string, Command, Snapshot]>([
    ['another is stored, in a put', put(backend({ fingerprint: 'beef' })), withCredential],
    ['another is stored, in a patch', patch({ credential: { fingerprint: 'x' } }), withCredential],
    ['none is stored, in a put', put(backend(shown)), without],
    ['none is stored, in a patch', patch({ credential: shown }), without],
    [
      'the backend is new',
      { op: 'create', resource: 'backend', id: 'b2', spec: backend(shown) },
      withCredential,
    ],
  ])('is refused where %s', (_what, command, snapshot) => {
    expect(credentialAfter(command, snapshot)).toEqual(['spec.credential'])
  })

  it('does not hide other fields from the parser', () => {
    const odd = { fingerprint: 'f00d', colour: 'red' }
    expect(credentialAfter(put(backend(odd)), withCredential)).toEqual([
      'spec.credential.sealed',
      'spec.credential.colour',
    ])
  })
})

describe('a sealed credential', () => {
  it('replaces one with another fingerprint', () => {
    const other = { sealed: 'BAUG', fingerprint: 'beef' }
    expect(credentialAfter(put(backend(other)), withCredential)).toEqual(other)
    expect(credentialAfter(patch({ credential: other }), withCredential)).toEqual(other)
  })

  it('is no change where the same secret was only sealed again', () => {
    const again = { sealed: 'BAUG', fingerprint: 'f00d' }
    expect(credentialAfter(put(backend(again)), withCredential)).toBe('unchanged')
    expect(credentialAfter(patch({ credential: again }), withCredential)).toBe('unchanged')
  })

  it('goes when it is left out of a put or removed by a patch', () => {
    expect(credentialAfter(put(backend()), withCredential)).toBeUndefined()
    expect(credentialAfter(patch({ credential: null }), withCredential)).toBeUndefined()
  })

  it('stays when a patch does not speak of it', () => {
    expect(credentialAfter(patch({ weight: 3 }), withCredential)).toEqual(stored)
  })
})

describe('a stored credential and another address', () => {
  const elsewhere = 'http://127.0.0.1:9999'
  const again = { sealed: 'BBBB', fingerprint: 'f00d' }

  it.each<[string, Command]>([
    ['a patch of the url', patch({ url: elsewhere })],
    ['a patch that downgrades the scheme', patch({ url: 'https://127.0.0.1:8000' })],
    ['a put with the fingerprint', put({ ...backend({ fingerprint: 'f00d' }), url: elsewhere })],
    ['a put of the stored bytes', put({ ...backend(stored), url: elsewhere })],
  ])('do not go together: %s', (_, command) => {
    expect(credentialAfter(command, withCredential)).toEqual(['spec.apiKey'])
  })

  it.each<[string, Command, unknown]>([
    ['the key is sent again', patch({ url: elsewhere, credential: again }), stored],
    [
      'another key is sent',
      patch({ url: elsewhere, credential: { ...again, fingerprint: 'a' } }),
      { ...again, fingerprint: 'a' },
    ],
    ['the credential goes', patch({ url: elsewhere, credential: null }), undefined],
    ['only the path changes', patch({ url: `${URL1}/v2` }), stored],
  ])('may change where %s', (_, command, after) => {
    expect(credentialAfter(command, withCredential)).toEqual(after)
  })

  it('asks nothing of a backend without one', () => {
    expect(credentialAfter(patch({ url: elsewhere }), without)).toBeUndefined()
  })
})
