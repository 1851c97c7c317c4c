import { type Connection, type GlobalOptions, readConnection } from './connection.ts'
import { type Folder, makeFolder } from './cli-harness.ts'
import { type Failure } from './failure.ts'
import { type Io } from './io.ts'

let folder: Folder
beforeEach(() => (folder = makeFolder()))
afterEach(() => folder.remove())

const read = (options: GlobalOptions, env: Record<string, string> = {}): Promise<Connection> =>
  readConnection(options, { env, cwd: folder.path, home: `${folder.path}/home` } as unknown as Io)

const refusal = (options: GlobalOptions, env: Record<string, string> = {}) =>
  read(options, env).then(
    () => 'not refused',
    (error: Failure) => error.message,
  )

const CONTEXTS = `current: near
contexts:
  near: {url: "http://near:1"}
  far: {url: "https://far/", tokenFile: far-token}
`

describe('the address', () => {
  it('is the flag, else the environment, else the current context, else this machine', async () => {
    expect((await read({})).url).toBe('http://127.0.0.1:8081')
    folder.write('home/.config/signalbox/config.yaml', CONTEXTS)
    expect((await read({})).url).toBe('http://near:1')
    expect((await read({}, { SIGNALBOX_URL: 'http://env:2' })).url).toBe('http://env:2')
    expect((await read({ url: 'http://flag:3/' }, { SIGNALBOX_URL: 'x' })).url).toBe(
      'http://flag:3',
    )
  })

  it('is of a context that is asked for, whatever the environment says', async () => {
    folder.write('home/.config/signalbox/config.yaml', CONTEXTS)
    folder.write('home/.config/signalbox/far-token', 'far-away\n')
    const env = { SIGNALBOX_URL: 'http://env:2', SIGNALBOX_TOKEN: 'mine' }
    expect(await read({ context: 'far' }, env)).toMatchObject({
      url: 'https://far',
      token: 'far-away',
    })
    expect(await refusal({ context: 'none' })).toMatch(/there is no context none/)
  })

  it('is refused where it is none, or holds a password', async () => {
    expect(await refusal({ url: 'nowhere' })).toMatch(/is none/)
    expect(await refusal({ url: 'ftp://a' })).toMatch(/is none/)
    const message = await refusal({ url: 'http://me:canary@host' })
    expect(message).toMatch(/holds a password/)
    expect(message).not.toContain('canary')
  })
})

describe('the token', () => {
  it('is the flag, else a file, else the environment, else that of npm start, here or above', async () => {
    expect((await read({})).token).toBeNull()
    folder.write('.signalbox/admin-token', 'local\n')
    expect((await read({})).token).toBe('local')
    expect((await read({}, { SIGNALBOX_TOKEN: 'env' })).token).toBe('env')
    folder.write('token', 'filed')
    expect((await read({ tokenFile: 'token' }, { SIGNALBOX_TOKEN: 'env' })).token).toBe('filed')
    expect((await read({ token: 'flag', tokenFile: 'token' })).token).toBe('flag')
  })

  it('of npm start goes to nobody else', async () => {
    folder.write('.signalbox/admin-token', 'local\n')
    expect((await read({ url: 'http://127.0.0.1.example.org' })).token).toBeNull()
    expect((await read({ url: 'http://10.0.0.1' })).token).toBeNull()
    expect((await read({ url: 'http://[::1]:8081' })).token).toBe('local')
  })

  it('of a context goes to no other address', async () => {
    folder.write('home/.config/signalbox/config.yaml', CONTEXTS.replace('near\n', 'far\n'))
    folder.write('home/.config/signalbox/far-token', 'far-away\n')
    expect((await read({})).token).toBe('far-away')
    expect((await read({ url: 'http://other' })).token).toBeNull()
  })

  it('is refused where its file is not there or holds something else', async () => {
    folder.write('token', 'two words')
    expect(await refusal({ tokenFile: 'none' })).toMatch(/cannot be read \(ENOENT\)/)
    expect(await refusal({ tokenFile: 'token' })).toMatch(/does not hold one token/)
    expect(await refusal({}, { SIGNALBOX_TOKEN: '' })).toMatch(
      /SIGNALBOX_TOKEN is a value of the wrong/,
    )
  })
})
