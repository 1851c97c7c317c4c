import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Log, silentLog } from '@signalbox/host'
import { FoundModels } from './found-models.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-models-'))
  path = join(folder, 'p1/models.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (log = silentLog) => new FoundModels(path, log)

describe('models that were found', () => {
  it('are there again after a restart, the last of many changes', async () => {
    const found = open()
    for (let nth = 0; nth < 100; nth++) found.set('b1', [`m${nth}`])
    found.set('__proto__', ['m'])
    await found.saved()
    expect([...open().byBackend]).toEqual([['b1', ['m99']]].concat([['__proto__', ['m']]]))
  })

  it('are news once, and in another order again', () => {
    const found = open()
    expect(found.set('b1', ['a', 'b'])).toBe(true)
    expect(found.set('b1', ['a', 'b'])).toBe(false)
    expect(found.set('b1', ['b', 'a'])).toBe(true)
  })

  it('go with their backend', async () => {
    const found = open()
    found.set('b1', ['a'])
    found.set('b2', ['b'])
    found.keepOnly((backend) => backend === 'b2')
    await found.saved()
    expect([...open().byBackend.keys()]).toEqual(['b2'])
  })

  it.each(['', '{"b1":["a"', 'null', '[]', '{"b1":"a","b2":[1],"b3":{}}'])(
    'are found anew where the file is damaged: %s',
    async (text) => {
      const found = open()
      found.set('b1', ['a'])
      await found.saved()
      writeFileSync(path, text)
      expect([...open().byBackend]).toEqual([])
    },
  )

  it('say in the log that they cannot be kept, and serve all the same', async () => {
    writeFileSync(join(folder, 'p1'), 'a file where a directory should be')
    const warnings: unknown[] = []
    const log: Log = { ...silentLog, warn: (facts: unknown) => void warnings.push(facts) }
    const found = open(log)
    expect(found.set('b1', ['a'])).toBe(true)
    await found.saved()
    expect(warnings).toHaveLength(1)
    expect(found.byBackend.get('b1')).toEqual(['a'])
    expect(readFileSync(join(folder, 'p1'), 'utf8')).toMatch(/a file/)
  })
})
