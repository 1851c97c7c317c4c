// What stands in deploy/ against what stands in the code: names, ports, paths. Where the program that
// reads a file is on PATH (nats-server, haproxy, systemd-analyze, helm), it is asked as well.
import { spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { eventually, findNatsServer, freePort, freshDatabase } from '@signalbox/testing'
import { parse, parseAllDocuments } from 'yaml'
import { MASTER_KEY, NOWHERE } from './e2e/fleet-harness.ts'
import { endProcesses, startProcess, untilUp } from './e2e/processes-harness.ts'

const root = dirname(import.meta.dirname)
const deploy = join(root, 'deploy')
const scratch = mkdtempSync(join(tmpdir(), 'signalbox-deploy-'))
/** Made by the reader, or none of ours. */
const NOT_OURS = ['nats/passwords', 'nats/routes.conf', 'secrets']

afterAll(() => rmSync(scratch, { recursive: true }))

const read = (path: string) => readFileSync(join(deploy, path), 'utf8')
const files = filesBelow(deploy)
  .map((path) => relative(deploy, path))
  .filter((path) => !NOT_OURS.some((one) => path.startsWith(one)))
const configuration = readFileSync(join(root, 'docs/configuration.md'), 'utf8')
const defaults = new Map(
  [...configuration.matchAll(/^\| `(SIGNALBOX_\w+)` \|[^|]*\|[^|]*\| (.*) \|$/gm)].map(
    ([, name = '', standard = '']) => [name, standard.replaceAll('`', '')],
  ),
)
const PORTS = {
  proxy: defaults.get('SIGNALBOX_PROXY_LISTEN')?.split(':')[1],
  'admin-api': defaults.get('SIGNALBOX_ADMIN_LISTEN')?.split(':')[1],
  'health-probe': defaults.get('SIGNALBOX_PROBE_LISTEN')?.split(':')[1],
}
const APPS = ['admin-api', 'health-probe', 'proxy'] as const

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(path) : [path]
  })
}

function onPath(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

/** What a program says of a file, and whether it is content. */
function ask(program: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return { status, said: `${stdout}${stderr}` }
}

function itIf(program: string | undefined, name: string, run: () => unknown): void {
  if (program === undefined) it.skip(`${name}: skipped, the program is not on PATH`, () => {})
  else it(name, async () => void (await run()))
}

describe('every file of deploy/', () => {
  it('that is YAML or JSON can be parsed', () => {
    const problems = files.flatMap((path) => {
      if (path.endsWith('.json')) return typeof JSON.parse(read(path)) === 'object' ? [] : [path]
      if (!path.endsWith('.yaml') || path.includes('/templates/')) return []
      return parseAllDocuments(read(path), { merge: true }).flatMap(({ errors }) =>
        errors.map((error) => `${path}: ${error.message}`),
      )
    })
    expect(problems).toEqual([])
  })

  it('names no variable that docs/configuration.md does not have', () => {
    const used = files.flatMap((path) =>
      [...read(path).matchAll(/\bSIGNALBOX_[A-Z_]+[A-Z]\b/g)].map(([name]) => ({ path, name })),
    )
    const unknown = used.filter(({ name }) => !defaults.has(name) && name !== 'SIGNALBOX_NODE')
    expect(unknown).toEqual([])
    expect(used.length).toBeGreaterThan(30)
  })

  it('leads somewhere where it links', () => {
    const broken = files
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...read(path).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
          .map(([, target = '']) => target)
          .filter((target) => !existsSync(join(deploy, dirname(path), target)))
          .map((target) => `${path}: ${target}`),
      )
    expect(broken).toEqual([])
  })
})

describe('ports', () => {
  it('are the defaults of the code, everywhere', () => {
    expect(PORTS).toEqual({ proxy: '8080', 'admin-api': '8081', 'health-probe': '8082' })
    const values = parse(read('helm/signalbox/values.yaml'))
    const inChart = {
      proxy: String(values.proxy.port),
      'admin-api': String(values.adminApi.port),
      'health-probe': String(values.healthProbe.port),
    }
    expect(inChart).toEqual(PORTS)
    const haproxy = [...read('haproxy.cfg').matchAll(/^ +server (\S+)-\d \S+:(\d+)$/gm)]
    const inHaproxy = new Set(haproxy.map(([, name, port]) => `${name} ${port}`))
    expect([...inHaproxy]).toEqual([`proxy ${PORTS.proxy}`, `admin ${PORTS['admin-api']}`])
    for (const app of APPS) {
      const stage = stageOf(app)
      expect(stage).toContain(`EXPOSE ${PORTS[app]}\n`)
      expect(stage).toContain(`http://127.0.0.1:${PORTS[app]}/healthz`)
    }
  })
})

describe('who stops a proxy', () => {
  it('waits longer than it drains, and the balancer notices before it stops accepting', () => {
    const seconds = (text: string | undefined) => Number(/^(\d+)s$/.exec(text ?? '')?.[1])
    const { services } = parse(read('compose.yaml'), { merge: true })
    const proxies = Object.keys(services).filter((name) => name.startsWith('proxy-'))
    expect(proxies).toHaveLength(3)
    const drains = proxies.map((name) => ({
      grace: seconds(services[name].stop_grace_period),
      notice: seconds(services[name].environment.SIGNALBOX_DRAIN_NOTICE),
      deadline: seconds(services[name].environment.SIGNALBOX_DRAIN_DEADLINE),
    }))
    const unit = read('systemd/signalbox-proxy@.service')
    drains.push({
      grace: Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]),
      notice: seconds(/SIGNALBOX_DRAIN_NOTICE=(\w+)/.exec(unit)?.[1]),
      deadline: seconds(/SIGNALBOX_DRAIN_DEADLINE=(\w+)/.exec(unit)?.[1]),
    })
    const [, inter, fall] = /check inter (\d)s fall (\d)/.exec(read('haproxy.cfg')) ?? []
    for (const { grace, notice, deadline } of drains) {
      expect(grace).toBeGreaterThan(notice + deadline)
      expect(notice).toBeGreaterThan(Number(inter) * Number(fall))
    }
  })
})

describe('the image', () => {
  afterEach(endProcesses)

  it('has no build tools and does not run as root', () => {
    const final = read('Dockerfile').slice(read('Dockerfile').indexOf('AS runtime'))
    expect(final).toMatch(/^USER 10001:10001$/m)
    expect(final).not.toMatch(/\b(npm|npx|apt-get|yarn|gcc|make)\b/)
    for (const app of APPS) expect(stageOf(app)).toContain('HEALTHCHECK')
  })

  it.each(APPS)('of %s holds all that the process reads', async (app) => {
    const folder = join(scratch, app)
    for (const [, from = '', to = ''] of stageOf(app).matchAll(
      /^COPY --from=build \/src\/(\S+) (\S+)$/gm,
    )) {
      expect(from).toBe(to)
      mkdirSync(dirname(join(folder, to)), { recursive: true })
      cpSync(join(root, from), join(folder, to), { recursive: true })
    }
    cpSync(join(root, 'package.json'), join(folder, 'package.json'))
    const port = await freePort()
    const database = app === 'admin-api' ? await freshDatabase() : undefined
    const listen = { proxy: 'PROXY', 'admin-api': 'ADMIN', 'health-probe': 'PROBE' }[app]
    const env = {
      [`SIGNALBOX_${listen}_LISTEN`]: `127.0.0.1:${port}`,
      SIGNALBOX_NATS_URL: NOWHERE,
      SIGNALBOX_MASTER_KEY: MASTER_KEY,
      SIGNALBOX_DATA_DIR: join(folder, 'data'),
      SIGNALBOX_ADMIN_TOKEN: 'deploy-token-7Yq2mVbX',
      SIGNALBOX_LOG: 'error',
      ...(database ? { SIGNALBOX_DATABASE_URL: database.url } : {}),
    }
    const main = join(folder, 'dist', app, 'main.js')
    const status = async (path: string) =>
      (await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined))?.status
    await untilUp(startProcess(app, { env, main }), async () => (await status('/healthz')) === 200)
    expect(await status('/metrics')).toBe(200)
    if (app === 'admin-api') expect(await status('/docs')).toBe(200)
    await endProcesses()
    await database?.drop()
  })
})

function stageOf(app: (typeof APPS)[number]): string {
  const text = read('Dockerfile')
  const from = text.indexOf(`FROM runtime AS ${app}\n`)
  const to = text.indexOf('\nFROM ', from)
  expect(from).toBeGreaterThan(0)
  return text.slice(from, to < 0 ? undefined : to)
}

interface Service {
  readonly volumes?: readonly string[]
  readonly secrets?: readonly string[]
  readonly depends_on?: readonly string[] | Readonly<Record<string, object>>
}

describe('the young generation of a proxy', () => {
  it('is small, whoever starts it', () => {
    const starts = ['Dockerfile', 'systemd/signalbox-proxy@.service']
    const texts = starts.map((file) => readFileSync(join(deploy, file), 'utf8'))
    texts.push(readFileSync(join(deploy, '../apps/standalone/src/proxies.ts'), 'utf8'))
    const sizes = texts.map((text) => /--max-semi-space-size=\d+/.exec(text)?.[0])
    expect(sizes).toEqual(starts.concat('start').map(() => '--max-semi-space-size=4'))
  })
})

describe('compose.yaml', () => {
  it('has a volume or a secret for each that a service names, and is a whole fleet', () => {
    const { services, volumes, secrets } = parse(read('compose.yaml'), { merge: true })
    const count = (part: string) => Object.keys(services).filter((n) => n.startsWith(part)).length
    const parts = ['postgres', 'nats-', 'admin-', 'probe-', 'proxy-', 'haproxy']
    expect(parts.map(count)).toEqual([1, 3, 2, 2, 3, 1])
    for (const service of Object.values<Service>(services)) {
      for (const mount of service.volumes ?? []) {
        const [source = ''] = mount.split(':')
        if (source.startsWith('./')) expect(existsSync(join(deploy, source))).toBe(true)
        else expect(Object.keys(volumes)).toContain(source)
      }
      for (const one of service.secrets ?? []) expect(Object.keys(secrets)).toContain(one)
      const needs = service.depends_on ?? {}
      for (const one of Array.isArray(needs) ? needs : Object.keys(needs)) {
        expect(Object.keys(services)).toContain(one)
      }
    }
  })

  it('gets from make-secrets.sh every secret that it reads', () => {
    const copy = join(scratch, 'secrets-of')
    cpSync(join(deploy, 'nats'), join(copy, 'nats'), {
      recursive: true,
      filter: (path) => !/passwords|routes\.conf$/.test(path),
    })
    cpSync(join(deploy, 'make-secrets.sh'), join(copy, 'make-secrets.sh'))
    expect(ask(join(copy, 'make-secrets.sh'), []).status).toBe(0)
    expect(ask(join(copy, 'make-secrets.sh'), []).status).toBe(1)
    const named = [...read('compose.yaml').matchAll(/secrets\/[a-z-]+(?:\.env)?/g)]
    const missing = named.filter(([path]) => !existsSync(join(copy, path)))
    expect([named.length > 3, missing]).toEqual([true, []])
    const route = /password: "(\w+)"/.exec(
      readFileSync(join(copy, 'nats/passwords/route.conf'), 'utf8'),
    )
    const routes = readFileSync(join(copy, 'nats/routes.conf'), 'utf8')
    expect(routes.split(`nats://route:${route?.[1]}@`)).toHaveLength(4)
  })
})

describe('what the programs themselves say', () => {
  const nats = findNatsServer()
  itIf(nats, 'nats-server takes every configuration', () => {
    const copy = join(scratch, 'nats')
    cpSync(join(deploy, 'nats'), copy, { recursive: true })
    mkdirSync(join(copy, 'passwords'), { recursive: true })
    for (const user of ['default-admin-api', 'default-proxy', 'default-health-probe', 'route']) {
      writeFileSync(join(copy, `passwords/${user}.conf`), 'password: "p"\n')
    }
    writeFileSync(join(copy, 'routes.conf'), read('nats/routes.conf.example'))
    for (const name of ['nats.conf', 'cluster.conf', 'one-machine.conf']) {
      const { status, stderr } = spawnSync(nats ?? '', ['-t', '-c', join(copy, name)], {
        encoding: 'utf8',
        env: { ...process.env, NATS_NAME: 'nats-1' },
      })
      expect({ name, status, stderr }).toMatchObject({ name, status: 0 })
    }
  })

  const haproxy = onPath('haproxy')
  itIf(haproxy, 'haproxy takes haproxy.cfg', () => {
    const { status, said } = ask(haproxy ?? '', ['-c', '-f', join(deploy, 'haproxy.cfg')])
    expect({ status, said }).toMatchObject({ status: 0 })
  })

  itIf(
    haproxy,
    'haproxy finds a proxy and an admin-api that are ready, and passes requests',
    async () => {
      // As our listeners do, Node refuses a request of HTTP/1.1 that names no host.
      const upstream = createServer((request, response) => {
        response.statusCode = request.method === 'GET' && request.url === '/readyz' ? 200 : 201
        response.end()
      })
      await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
      const { port } = upstream.address() as AddressInfo
      const [clients, admin, stats] = [await freePort(), await freePort(), await freePort()]
      const text = read('haproxy.cfg')
        .replace('bind :8080', `bind 127.0.0.1:${clients}`)
        .replace('bind :8081', `bind 127.0.0.1:${admin}`)
        .replace('bind :8404', `bind 127.0.0.1:${stats}`)
        .replace('maxconn 20000', 'maxconn 100')
        .replaceAll(/^( +server \S+) \S+$/gm, `$1 127.0.0.1:${port}`)
      const path = join(scratch, 'haproxy.cfg')
      writeFileSync(path, text)
      const child = spawn(haproxy ?? '', ['-f', path], { stdio: 'ignore' })
      const ended = new Promise((resolve) => child.once('exit', resolve))
      try {
        for (const front of [clients, admin]) {
          await eventually(async () => {
            const answer = await fetch(`http://127.0.0.1:${front}/v1/models`)
            return answer.status === 201
          })
        }
        // The servers are taken for up until a check fails: what the checks say counts.
        await eventually(async () => {
          const table = await (await fetch(`http://127.0.0.1:${stats}/;csv`)).text()
          return table.split('\n').filter((line) => line.includes(',L7OK,')).length === 5
        })
      } finally {
        child.kill()
        await ended
        upstream.close()
        upstream.closeAllConnections()
      }
    },
  )

  const analyze = onPath('systemd-analyze')
  itIf(analyze, 'systemd takes the units', () => {
    const folder = join(scratch, 'units')
    mkdirSync(folder)
    const units = files.filter((path) => path.endsWith('.service'))
    expect(units).toHaveLength(3)
    const copies = units.map((path) => {
      const copy = join(folder, path.replace('systemd/', '').replace('@.', '@1.'))
      writeFileSync(copy, read(path).replace('/usr/bin/node', process.execPath))
      return copy
    })
    const { status, said } = ask(analyze ?? '', ['verify', '--man=no', ...copies])
    expect({ status, said }).toEqual({ status: 0, said: '' })
  })
})

describe('systemd', () => {
  it('runs every process hardened, as signalbox, with the limits of limits.d', () => {
    const limits = read('limits/signalbox.conf')
    for (const path of files.filter((one) => one.endsWith('.service'))) {
      const unit = read(path)
      for (const line of ['User=signalbox', 'NoNewPrivileges=true', 'ProtectSystem=strict']) {
        expect(unit.split('\n')).toContain(line)
      }
      const limit = (name: string) => new RegExp(`^Limit${name}=(\\d+)$`, 'm').exec(unit)?.[1]
      expect(limits).toContain(`signalbox hard nofile ${limit('NOFILE')}\n`)
      expect(limits).toContain(`signalbox hard nproc ${limit('NPROC')}\n`)
      expect(unit).toMatch(
        /^ExecStart=\/usr\/bin\/node (--max-semi-space-size=4 )?\/opt\/signalbox\/dist\/[a-z-]+\/main\.js$/m,
      )
    }
  })
})
