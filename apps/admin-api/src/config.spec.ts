import { type Env } from '@signalbox/host'
import { readAdminConfig } from './config.ts'

const TOKEN = 'kZ4v-8qLr_2TnWy6'
const MASTER_KEY = Buffer.from(new Uint8Array(32).map((_, i) => i)).toString('base64')
const read = (more: Env = {}) =>
  readAdminConfig({ SIGNALBOX_ADMIN_TOKEN: TOKEN, SIGNALBOX_MASTER_KEY: MASTER_KEY, ...more })

describe('the configuration', () => {
  it('needs a token and a master key; the rest has defaults', () => {
    expect(read()).toMatchObject({
      fleet: 'default',
      listen: { kind: 'tcp', host: '127.0.0.1', port: 8081 },
      tokens: { admin: TOKEN },
    })
    expect(() => readAdminConfig({})).toThrow(/^SIGNALBOX_ADMIN_TOKEN is not set/)
  })

  it.each([
    '',
    'short',
    'changeme',
    'changemechangeme',
    'aaaaaaaaaaaaaaaaaaaaaaaa',
    'a b c d e f g h i',
  ])('refuses the token %j in one line that does not show it', (token) => {
    const shown = `SIGNALBOX_ADMIN_TOKEN is a value of the wrong shape; expected at least 16`
    expect(() => read({ SIGNALBOX_ADMIN_TOKEN: token })).toThrow(shown)
  })

  it('refuses one token for two roles', () => {
    expect(() => read({ SIGNALBOX_VIEWER_TOKEN: TOKEN })).toThrow(/must differ/)
  })
})
