import { publicKeyOf, signBytes, signingKey, verifyBytes } from './sign.ts'

const masterKey = new Uint8Array(32).map((_, i) => i)
const text = new TextEncoder().encode('size 1')
const key = signingKey(masterKey, 'default')
const publicKey = publicKeyOf(key)

describe('a signature', () => {
  it('is one of these bytes under the key of this fleet, the same on every instance', () => {
    const again = signingKey(masterKey, 'default')
    expect(verifyBytes(text, signBytes(text, again), publicKey)).toBe(true)
    expect(publicKeyOf(again)).toEqual(publicKey)
    expect(publicKey).toHaveLength(32)
  })

  it('does not hold for other bytes, another fleet, another master key, or a bent signature', () => {
    const signature = signBytes(text, key)
    expect(verifyBytes(new TextEncoder().encode('size 2'), signature, publicKey)).toBe(false)
    const others = [signingKey(masterKey, 'other'), signingKey(new Uint8Array(32), 'default')]
    for (const other of others) {
      expect(verifyBytes(text, signature, publicKeyOf(other))).toBe(false)
    }
    for (let at = 0; at < signature.length; at++) {
      const bent = signature.with(at, (signature[at] ?? 0) ^ 1)
      expect(verifyBytes(text, bent, publicKey)).toBe(false)
    }
  })

  it('does not hold under what is no key', () => {
    expect(verifyBytes(text, signBytes(text, key), new Uint8Array(3))).toBe(false)
    expect(verifyBytes(text, new Uint8Array(0), publicKey)).toBe(false)
  })
})
