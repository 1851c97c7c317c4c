// The list of what is shipped, against what the bundles hold.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'))

interface Component {
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly licenses?: readonly unknown[]
}

describe('dist/sbom.json', () => {
  const sbom = read('dist/sbom.json')
  const components: readonly Component[] = sbom.components
  const names = new Set(components.map(({ name }) => name))

  it('names every package that a bundle holds, or asks for beside it', () => {
    const bundles = readdirSync(join(root, 'dist')).flatMap((app) => {
      const files = app.includes('.') ? [] : readdirSync(join(root, 'dist', app))
      return files.includes('meta.json') ? [read(`dist/${app}/meta.json`)] : []
    })
    const bundled = bundles.flatMap((meta) => Object.values(meta).flat())
    const own = Object.keys(read('package.json').dependencies)
    const console_ = ['react', 'react-dom', '@tanstack/react-router', 'openapi-fetch']
    expect(bundles.length).toBeGreaterThan(3)
    expect([...bundled, ...own, ...console_].filter((one) => !names.has(one as string))).toEqual([])
  })

  it('names each once, with what is asked of one: version, address, licence', () => {
    const refs = components.map((one) => one['bom-ref'])
    expect(new Set(refs).size).toBe(refs.length)
    expect([sbom.bomFormat, sbom.specVersion]).toEqual(['CycloneDX', '1.6'])
    expect(sbom.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    for (const { name, version, purl, licenses } of components) {
      expect(purl).toBe(`pkg:npm/${name.replace('@', '%40')}@${version}`)
      expect([name, licenses?.length]).toEqual([name, 1])
    }
    const known = new Set([...refs, sbom.metadata.component['bom-ref']])
    for (const { ref, dependsOn } of sbom.dependencies) {
      expect([ref, ...dependsOn].filter((one) => !known.has(one))).toEqual([])
    }
  })

  it('names nothing that only tests and builds need', () => {
    const tools = ['jest', 'typescript', 'eslint', 'esbuild', 'nx', 'fast-check', 'openai']
    expect(tools.filter((one) => names.has(one))).toEqual([])
  })

  it('is the same each time', () => {
    const before = readFileSync(join(root, 'dist/sbom.json'), 'utf8')
    expect(spawnSync(process.execPath, [join(root, 'tools/sbom.mjs')]).status).toBe(0)
    expect(readFileSync(join(root, 'dist/sbom.json'), 'utf8')).toBe(before)
  })
})
