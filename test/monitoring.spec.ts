// Every metric that a rule or a panel names is one that a process has: three processes are started
// and scraped, and what they declare counts.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, type FreshDatabase, freshDatabase, freePort } from '@signalbox/testing'
import { parse } from 'yaml'
import { MASTER_KEY, NOWHERE } from './e2e/fleet-harness.ts'
import { endProcesses, startProcess } from './e2e/processes-harness.ts'

const deploy = join(import.meta.dirname, '../deploy')
const read = (path: string) => readFileSync(join(deploy, path), 'utf8')

interface Panel {
  readonly title: string
  readonly targets: readonly { readonly expr: string }[]
}
interface Rule {
  readonly alert: string
  readonly expr: string
}

const panels = readdirSync(join(deploy, 'grafana')).flatMap(
  (name): Panel[] => JSON.parse(read(`grafana/${name}`)).panels,
)
const groups: readonly { readonly rules: readonly Rule[] }[] = parse(
  read('prometheus/rules.yaml'),
).groups
const queries = [
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ of: title, expr }))),
  ...groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ of: alert, expr }))),
]
/** Words of the query language that the queries use. */
const WORDS = ['by', 'on', 'offset', 'group_left', 'or']
/** What Prometheus says itself. */
const ITS_OWN = ['up']

/** Names of metrics in a query: words that are no function, no label and no part of the language. */
function metricsIn(expr: string): string[] {
  const bare = expr
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}/g, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/offset \w+/g, ' ')
    .replaceAll(/\b(by|on|group_left)\s*\([^)]*\)/g, ' ')
  return [...bare.matchAll(/\b([a-z_][a-z0-9_]*)\b(?!\s*\()/g)]
    .map(([, name = '']) => name)
    .filter((name) => !WORDS.includes(name))
}

describe('dashboards and rules', () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-monitoring-'))
  let database: FreshDatabase
  const exposed = new Set<string>(ITS_OWN)

  beforeAll(async () => {
    database = await freshDatabase()
    const env = {
      SIGNALBOX_NATS_URL: NOWHERE,
      SIGNALBOX_MASTER_KEY: MASTER_KEY,
      SIGNALBOX_DATABASE_URL: database.url,
      SIGNALBOX_ADMIN_TOKEN: 'monitoring-token-7Yq2mVbX',
      SIGNALBOX_DATA_DIR: folder,
      SIGNALBOX_DRAIN_NOTICE: '0s',
      SIGNALBOX_LOG: 'error',
    }
    const apps = [
      ['proxy', 'SIGNALBOX_PROXY_LISTEN'],
      ['admin-api', 'SIGNALBOX_ADMIN_LISTEN'],
      ['health-probe', 'SIGNALBOX_PROBE_LISTEN'],
    ] as const
    for (const [app, listen] of apps) {
      const port = await freePort()
      startProcess(app, { env: { ...env, [listen]: `127.0.0.1:${port}` } })
      const scrape = async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
        return answer.ok && answer.text()
      }
      const text = await eventually(scrape, { timeoutMs: 120_000 })
      for (const [, name = '', type] of String(text).matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
        exposed.add(name)
        if (type !== 'histogram') continue
        for (const part of ['bucket', 'sum', 'count']) exposed.add(`${name}_${part}`)
      }
    }
  })

  afterAll(async () => {
    await endProcesses()
    await database.drop()
    rmSync(folder, { recursive: true })
  })

  it('name no metric that nobody has', () => {
    const unknown = queries.flatMap(({ of, expr }) =>
      metricsIn(expr)
        .filter((name) => !exposed.has(name))
        .map((name) => `${of}: ${name}`),
    )
    expect(unknown).toEqual([])
    expect(queries.every(({ expr }) => metricsIn(expr).length > 0)).toBe(true)
  })

  it('would be refused for a metric that is gone (the check itself bites)', () => {
    expect(metricsIn('sum by (le) (rate(a_bucket{x="y"}[5m])) > 2 * b offset 1d')).toEqual([
      'a_bucket',
      'b',
    ])
    expect(exposed.has('a_bucket')).toBe(false)
  })

  it('have the four queries of the guide as they stand', () => {
    const guide = [
      'rate(http_requests_total[5m])',
      'rate(http_requests_total{status=~"5.."}[5m])',
      'histogram_quantile(0.95, http_request_duration_seconds_bucket)',
      'backend_health_status',
    ]
    const missing = guide.filter((query) => !queries.some(({ expr }) => expr === query))
    expect(missing).toEqual([])
  })

  it('go by the jobs that scrape.yaml has', () => {
    const { scrape_configs: jobs } = parse(read('prometheus/scrape.yaml'))
    const names: string[] = jobs.map((job: { job_name: string }) => job.job_name)
    const used = queries.flatMap(({ expr }) =>
      [...expr.matchAll(/job="([^"]+)"/g)].map(([, name = '']) => name),
    )
    expect([...new Set(used)].filter((name) => !names.includes(name))).toEqual([])
  })

  const promtool = spawnSync('promtool', ['--version']).status === 0
  const check = () => {
    const args = ['check', 'rules', join(deploy, 'prometheus/rules.yaml')]
    const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' })
    expect({ status, said: stdout + stderr }).toMatchObject({ status: 0 })
  }
  if (promtool) it('are rules that promtool takes', check)
  else it.skip('are rules that promtool takes: skipped, it is not on PATH', check)
})
