import { policySpec } from '@signalbox/model'
import { hashText, hashUser } from '@signalbox/routing'
import { affinityOf } from './affinity.ts'
import { scanBody } from './body-scan.ts'
import { type Passage } from './passage.ts'

const policy = policySpec.parse({ strategy: 'ConsistentHash', hashOn: { user: true } })
const NOBODY = { request: { headers: {} }, key: undefined } as unknown as Passage

/** The hash of a body whose `user` is written so. */
function hashOf(user: string): number | undefined {
  const body = Buffer.from(`{"model":"m","user":${user},"messages":[{"content":"a\\nb"}]}`)
  const scan = scanBody(body)
  if (!scan.ok) throw new Error(scan.message)
  return affinityOf(policy, NOBODY, { scan, body })
}

/** As a library does that sends ASCII alone. */
const escaped = (text: string) =>
  JSON.stringify(text).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

describe('a user of the body', () => {
  it.each(['J\u00f6rg', 'a/b', 'say "hi"', 'back\\slash', 'tab\there', '\u{1f600}', '\ud800'])(
    'is the same however it is escaped, and where explain has it: %j',
    (user) => {
      const said = hashUser(user)
      expect(hashOf(escaped(user))).toBe(said)
      expect(hashOf(JSON.stringify(user))).toBe(said)
      expect(hashOf(JSON.stringify(user).replaceAll('/', '\\/'))).toBe(said)
    },
  )

  it('that is not escaped is hashed as it always was', () => {
    expect(hashOf('"user-1"')).toBe(hashText('"user-1"'))
  })

  it('is nobody where it says nothing, and bytes where no parser takes it', () => {
    for (const user of ['""', 'null', '5']) expect(hashOf(user)).toBeUndefined()
    expect(hashOf('"\\x1"')).toBe(hashText('"\\x1"'))
  })
})
