import { checkBackends, checkClock, checkFleet, checkReadiness } from './doctor.ts'
import { adviseLimits } from './doctor-limits.ts'

describe('the limits of the machine', () => {
  it('are advice where they are low, and nothing to say where there are none', () => {
    const limits = (soft: string) =>
      `Limit  Soft  Hard  Units\nMax open files   ${soft}   9999  files\n`
    const states = (soft: string, somaxconn: string) =>
      adviseLimits({ limits: limits(soft), somaxconn }).map(({ state }) => state)
    expect(states('1024', '128\n')).toEqual(['warn', 'warn'])
    expect(states('65536', '4096\n')).toEqual(['ok', 'ok'])
    expect(states('unlimited', '4095\n')).toEqual(['ok', 'warn'])
    expect(adviseLimits({ limits: null, somaxconn: null })).toEqual([])
  })
})

describe('the clock', () => {
  const headers = new Headers({ date: 'Sat, 10 Jan 2026 00:00:00 GMT' })
  const nowMs = Date.parse('2026-01-10T00:00:00Z')
  it.each([
    [4_000, 'ok', /within 4 s/],
    [60_000, 'warn', /60 s ahead of/],
    [-60_000, 'warn', /60 s behind/],
  ])('%d ms away is %s', (ms, state, detail) => {
    expect(checkClock({ headers }, nowMs + ms)).toMatchObject({
      state,
      detail: expect.stringMatching(detail),
    })
  })

  it('is not known where the server tells no time', () => {
    expect(checkClock({ headers: new Headers() }, nowMs).state).toBe('warn')
  })
})

describe('readiness', () => {
  const found = (body: unknown) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return checkReadiness({ status: 200, text }).map(({ name, state }) => `${name} ${state}`)
  }

  it.each([
    [{ ready: true, detail: { bus: 'connected' } }, ['database ok', 'bus ok']],
    [{ ready: true, detail: { bus: 'not connected' } }, ['database ok', 'bus fail']],
    [{ ready: false, reasons: ['x'], detail: { bus: 'connected' } }, ['database fail', 'bus ok']],
    ['<html>', ['readiness fail']],
    ['null', ['readiness fail']],
  ])('%j is %j', (body, states) => {
    expect(found(body)).toEqual(states)
  })
})

it('a member that has gone is told, and is neither live nor behind', () => {
  const gone = { id: 'p9', role: 'proxy', live: false, lag: 5, nacks: [{}] }
  const answer = { head: { revision: 5 }, live: 0, applied: 0, members: [gone] }
  const found = checkFleet(answer as never).map(({ name, state }) => [name, state])
  expect(found).toEqual([
    ['proxies', 'fail'],
    ['lag', 'ok'],
    ['refusals', 'ok'],
    ['offline', 'warn'],
    ['probe', 'warn'],
  ])
})

it('no backends at all are worth a warning', () => {
  expect(checkBackends([])).toMatchObject({ state: 'warn' })
})
