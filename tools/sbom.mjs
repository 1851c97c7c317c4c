// Writes dist/sbom.json: what is in the bundles and what they ask for beside them, as CycloneDX 1.6.
// From the lock file and the bundles, with no clock and no chance: the same makes the same bytes.
// (`npm sbom --omit dev` leaves out what a package for tests asks for as well, undici among it.)
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
const { '': self, ...entries } = lock.packages
const UUID = /^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/

/** By place in node_modules: what it is, and the places of what it asks for. */
const found = new Map()
const wanted = [
  ...Object.keys(asked(self)),
  ...bundled(),
  ...importsOf(join(root, 'apps/console/src')),
]
const direct = [...new Set(wanted)].map((name) => visit(name, '')).filter(Boolean)

const components = [...found.values()].sort((a, b) => (a.ref < b.ref ? -1 : 1))
const text = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: {
    component: {
      type: 'application',
      'bom-ref': `signalbox@${self.version}`,
      name: self.name,
      version: self.version,
      licenses: [{ expression: self.license }],
    },
  },
  components: unique(components).map(({ ref, name, entry }) => ({
    type: 'library',
    'bom-ref': ref,
    name,
    version: entry.version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${entry.version}`,
    ...(entry.license ? { licenses: [{ expression: entry.license }] } : {}),
    ...(entry.integrity ? { hashes: [hashOf(entry.integrity)] } : {}),
  })),
  dependencies: [
    { ref: `signalbox@${self.version}`, dependsOn: refs(direct) },
    ...unique(components).map(({ ref, places }) => ({ ref, dependsOn: refs(places) })),
  ],
}
const digest = createHash('sha256').update(JSON.stringify(text)).digest('hex')
const serialNumber = `urn:uuid:${digest.replace(UUID, '$1-$2-$3-$4-$5')}`
writeFileSync(join(root, 'dist/sbom.json'), JSON.stringify({ serialNumber, ...text }, null, 2))

/** Finds the package as Node would from this place; answers its own place, if it is there. */
function visit(name, from) {
  const place = placeOf(name, from)
  // Optional, and not for any machine of this lock; or one of our own rooms.
  if (place === undefined || entries[place].link) return undefined
  if (found.has(place)) return place
  const entry = entries[place]
  const one = { ref: `${name}@${entry.version}`, name, entry, places: [] }
  found.set(place, one)
  one.places = Object.keys(asked(entry))
    .map((other) => visit(other, place))
    .filter(Boolean)
  return place
}

function placeOf(name, from) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    const place = `${at === '' ? '' : `${at}/`}node_modules/${name}`
    if (entries[place]) return place
    if (at === '') return undefined
  }
}

/** A peer that may be missing is there only where a bundle holds it. */
function asked(entry) {
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = entry
  const peers = Object.entries(peerDependencies ?? {}).filter(
    ([name]) => !peerDependenciesMeta?.[name]?.optional,
  )
  return { ...dependencies, ...optionalDependencies, ...Object.fromEntries(peers) }
}

/** Packages inside the bundles that were made. */
function bundled() {
  const folders = readdirSync(join(root, 'dist'), { withFileTypes: true })
  return folders.flatMap(({ name }) => {
    const path = join(root, 'dist', name, 'meta.json')
    return existsSync(path) ? Object.values(JSON.parse(readFileSync(path, 'utf8'))).flat() : []
  })
}

/** Packages that these sources name: the console has its own in one file of its page. */
function importsOf(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return importsOf(path)
    if (!/\.tsx?$/.test(entry.name) || entry.name.endsWith('.spec.ts')) return []
    const names = readFileSync(path, 'utf8').matchAll(/from '((?:@[\w-]+\/)?[\w-]+)[^']*'/g)
    return [...names].map(([, name]) => name)
  })
}

function unique(all) {
  return [...new Map(all.map((one) => [one.ref, one])).values()]
}

function refs(places) {
  return [...new Set(places.map((place) => found.get(place).ref))].sort()
}

function hashOf(integrity) {
  const [algorithm, base64] = integrity.split(' ')[0].split(/-(.*)/)
  const content = Buffer.from(base64, 'base64').toString('hex')
  return { alg: algorithm.replace('sha', 'SHA-').toUpperCase(), content }
}
