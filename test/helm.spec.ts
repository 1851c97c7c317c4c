// The chart: its values, its schema and its templates against each other; and, where helm is on PATH,
// what comes out. (No package on npm renders Helm's templates without it.)
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'

const chart = join(import.meta.dirname, '../deploy/helm/signalbox')
const read = (path: string) => readFileSync(join(chart, path), 'utf8')
const values: Tree = parse(read('values.yaml'))
const schema: Schema = JSON.parse(read('values.schema.json'))
const templates = readdirSync(join(chart, 'templates')).map((name) => read(`templates/${name}`))
const helm = spawnSync('helm', ['version']).status === 0

interface Tree {
  readonly [name: string]: unknown
}
interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
}

function at(tree: unknown, path: readonly string[]): unknown {
  return path.reduce((node, name) => (node as Tree | undefined)?.[name], tree)
}

/** Paths of a tree, down to where it is left to the reader (an empty map, resources). */
function pathsOf(tree: Tree, below: readonly string[] = []): string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    const path = [...below, name]
    const inner = typeof value === 'object' && value !== null && !Array.isArray(value)
    const open = name === 'resources' || (inner && Object.keys(value).length === 0)
    return inner && !open ? pathsOf(value as Tree, path) : [path.join('.')]
  })
}

function pathsOfSchema({ properties }: Schema, below: readonly string[] = []): string[] {
  return Object.entries(properties ?? {}).flatMap(([name, inner]) =>
    inner.properties ? pathsOfSchema(inner, [...below, name]) : [[...below, name].join('.')],
  )
}

describe('the Helm chart', () => {
  const used = new Set(
    templates.flatMap((text) =>
      [...text.matchAll(/\.Values\.([A-Za-z.]+[A-Za-z])/g)].map(([, path = '']) => path),
    ),
  )

  it('has a value for each that a template reads, and reads each that it has', () => {
    expect([...used].filter((path) => at(values, path.split('.')) === undefined)).toEqual([])
    // Read by way of a variable: `$drain.preStopSeconds`.
    const all = templates.join('\n')
    const unread = pathsOf(values).filter((path) => {
      const last = path.split('.').at(-1) ?? ''
      return ![...used].some((one) => path.startsWith(one)) && !all.includes(`.${last}`)
    })
    expect(unread).toEqual([])
  })

  it('has a schema of just these values', () => {
    const declared = pathsOfSchema(schema).filter((path) => path !== 'global')
    expect(declared.toSorted()).toEqual(pathsOf(values).toSorted())
  })

  it('is of the version of the product', () => {
    const product = JSON.parse(readFileSync(join(chart, '../../../package.json'), 'utf8')).version
    expect(parse(read('Chart.yaml'))).toMatchObject({ version: product, appVersion: product })
  })
})

if (!helm) {
  it.skip('the Helm chart, rendered: skipped, helm is not on PATH', () => {})
} else {
  describe('the Helm chart, rendered', () => {
    const run = (...sets: string[]) => {
      const args = sets.flatMap((set) => ['--set', set])
      return spawnSync('helm', ['template', 'r', chart, '--kube-version', '1.30.0', ...args], {
        encoding: 'utf8',
      })
    }
    const render = (...sets: string[]) =>
      parseAllDocuments(run(...sets).stdout).map((document) => document.toJS())
    const kinds = (documents: readonly { kind: string }[]) => documents.map(({ kind }) => kind)

    it('is a fleet that drains within its grace period', () => {
      const documents = render('proxy.drainDeadlineSeconds=60')
      const proxies = documents.find(({ kind }) => kind === 'StatefulSet').spec.template.spec
      const [{ env, lifecycle }] = proxies.containers
      const value = (name: string) => env.find((one: { name: string }) => one.name === name).value
      expect(value('SIGNALBOX_DRAIN_DEADLINE')).toBe('60s')
      expect(lifecycle.preStop.exec.command[2]).toContain('3000')
      expect(proxies.terminationGracePeriodSeconds).toBe(3 + 5 + 60 + 5)
      expect(kinds(documents).filter((kind) => kind === 'PodDisruptionBudget')).toHaveLength(3)
    })

    it('scales by CPU or by what is open, and refuses both', () => {
      expect(kinds(render('proxy.autoscaling.enabled=true'))).toContain('HorizontalPodAutoscaler')
      const scaled = render('proxy.keda.enabled=true')
      const trigger = scaled.find(({ kind }) => kind === 'ScaledObject').spec.triggers[0]
      expect(trigger.metadata.query).toMatch(/^sum\(active_connections\{/)
      expect(scaled.find(({ kind }) => kind === 'StatefulSet').spec.replicas).toBeUndefined()
      const both = run('proxy.autoscaling.enabled=true', 'proxy.keda.enabled=true')
      expect(both.stderr).toContain('enable one of both')
    })

    it('refuses a value that it does not know', () => {
      expect(run('proxy.replicsa=2').stderr).toContain('replicsa')
    })
  })
}
