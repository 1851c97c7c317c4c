import { parseId, parseSpec } from './resource.ts'

const sealed = { sealed: 'AQID', fingerprint: 'f00d' }

describe('a secret', () => {
  it('has labels, and origins where somebody named them', () => {
    expect(parseSpec('secret', sealed)).toEqual({ ok: true, value: { ...sealed, labels: {} } })
    const origins = ['https://api.test', 'http://127.0.0.1:8000']
    expect(parseSpec('secret', { ...sealed, origins }).ok).toBe(true)
  })

  it.each([
    'https://api.test/',
    'https://api.test/v1',
    'https://API.test',
    'https://api.test:443',
    'https://user@api.test',
    'ftp://api.test',
    'null',
    '*',
    '',
  ])('is not bound to %j, which is no origin', (origin) => {
    const parsed = parseSpec('secret', { ...sealed, origins: [origin] })
    expect(parsed).toMatchObject({ ok: false, error: [{ path: 'spec.origins.0' }] })
  })

  it('is not named as a path of the API', () => {
    for (const id of ['rewrap', 'status']) expect(parseId('secret', id).ok).toBe(false)
    expect(parseId('secret', 'openai')).toEqual({ ok: true, value: 'openai' })
  })

  it('is what a backend refers to, or else the backend holds its own', () => {
    const backend = (credential: object) =>
      parseSpec('backend', { kind: 'openai', url: 'https://api.test', credential })
    expect(backend({ secret: 's' }).ok).toBe(true)
    expect(backend(sealed).ok).toBe(true)
    expect(backend({ secret: 's', ...sealed }).ok).toBe(false)
    expect(backend({ secret: 'no id' }).ok).toBe(false)
  })
})
