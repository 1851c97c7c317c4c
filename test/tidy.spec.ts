// The tests police the repository, so that review does not have to: docs/architecture.md says why
// each rule is there.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'
import { CODES } from '@signalbox/model'
import { renderOpenApi, renderPages } from '@signalbox/admin-api'

const root = dirname(import.meta.dirname)
const FILE_LINES_MAX = 400
const FUNCTION_LINES_MAX = 70
const LINE_COLUMNS_MAX = 100

interface RoomRule {
  readonly rooms: readonly string[]
  readonly packages: readonly string[]
  /** What tests import beside them. */
  readonly roomsOfTests?: readonly string[]
}

const TOOLS_OF_APPS = ['undici']
const TANSTACK = ['query', 'router', 'virtual'].map((name) => `@tanstack/react-${name}`)
/** Who may import whom: the table of docs/architecture.md. */
const RULES: Readonly<Record<string, RoomRule>> = {
  'libs/model': { rooms: [], packages: ['zod'] },
  'libs/control': { rooms: ['model'], packages: [] },
  'libs/routing': { rooms: ['model'], packages: [] },
  'libs/dialects': { rooms: ['model'], packages: [] },
  'libs/host': {
    rooms: [],
    packages: [
      ...['pino', 'prom-client', '@opentelemetry/api', '@opentelemetry/sdk-trace'],
      ...['@opentelemetry/resources', '@opentelemetry/exporter-trace-otlp-http'],
    ],
  },
  'libs/store': {
    rooms: ['model', 'host'],
    packages: ['pg', '@prisma/client', '@prisma/adapter-pg'],
  },
  'libs/bus': {
    rooms: ['model', 'host'],
    packages: [
      '@nats-io/transport-node',
      '@nats-io/jetstream',
      '@nats-io/obj',
      '@nats-io/nats-core',
    ],
  },
  'apps/admin-api': {
    rooms: ['model', 'control', 'routing', 'dialects', 'store', 'bus', 'host'],
    packages: [
      '@nestjs/common',
      '@nestjs/core',
      '@nestjs/platform-fastify',
      'fastify',
      'zod',
      'rxjs',
      'reflect-metadata',
      'swagger-ui-dist',
      'yaml',
      'smol-toml',
    ],
  },
  'apps/proxy': {
    rooms: ['model', 'routing', 'dialects', 'bus', 'host'],
    packages: [...TOOLS_OF_APPS, 'gpt-tokenizer', 'ioredis'],
  },
  'apps/health-probe': {
    rooms: ['model', 'routing', 'dialects', 'bus', 'host'],
    packages: TOOLS_OF_APPS,
  },
  'apps/standalone': {
    rooms: ['model', 'control', 'store', 'bus', 'host', 'admin-api', 'health-probe', 'proxy'],
    packages: ['yaml', 'smol-toml'],
  },
  'apps/cli': {
    rooms: ['model', 'control', 'host'],
    packages: ['commander', 'yaml', 'smol-toml'],
    roomsOfTests: ['admin-api'],
  },
  'apps/console': { rooms: [], packages: ['react', 'react-dom', 'openapi-fetch', ...TANSTACK] },
  'libs/testing': {
    rooms: ['model', 'control', 'routing', 'dialects', 'store', 'bus', 'host'],
    packages: ['pg'],
  },
}
const PURE_ROOMS = ['libs/model', 'libs/control', 'libs/routing', 'libs/dialects']
const BANNED_IN_PURE_ROOMS = [
  'Date',
  'process',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'fetch',
  'crypto',
  'Promise',
  'performance',
  'require',
  'globalThis',
]

interface Source {
  readonly path: string
  readonly room: string
  readonly isTest: boolean
  readonly text: string
  readonly tree: ts.SourceFile
}

const sources = Object.keys(RULES).flatMap((room) =>
  filesBelow(join(root, room, 'src')).map(readSource),
)
const production = sources.filter((source) => !source.isTest)

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'generated' ? [] : filesBelow(path)
    return /\.tsx?$/.test(path) ? [path] : []
  })
}

function readSource(path: string): Source {
  const text = readFileSync(path, 'utf8')
  const room = relative(root, path).split('/').slice(0, 2).join('/')
  const isTest =
    /\.(spec|contract)\.ts$/.test(path) ||
    /[-.]harness\.ts$/.test(path) ||
    path.endsWith('test-log.ts')
  return {
    path: relative(root, path),
    room,
    isTest,
    text,
    tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true),
  }
}

function importsOf(source: Source): string[] {
  return source.tree.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return []
    const specifier = statement.moduleSpecifier
    return specifier && ts.isStringLiteral(specifier) ? [specifier.text] : []
  })
}

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

function lineOf(source: Source, node: ts.Node): number {
  return source.tree.getLineAndCharacterOfPosition(node.getStart()).line + 1
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** What is wrong with one import, or nothing. */
function importProblem(source: Source, specifier: string): string | undefined {
  const rule = RULES[source.room]
  if (!rule || specifier.startsWith('node:')) return undefined
  if (specifier.startsWith('.')) {
    const target = relative(root, resolve(root, dirname(source.path), specifier))
    return target.startsWith(`${source.room}/`) ? undefined : 'leaves its room'
  }
  if (specifier.startsWith('@signalbox/')) {
    const [, room = '', ...deeper] = specifier.split('/')
    if (deeper.length > 0) return 'reaches past a door'
    if (source.isTest && (room === 'testing' || !room.includes('-api'))) return undefined
    if (source.isTest && rule.roomsOfTests?.includes(room)) return undefined
    return rule.rooms.includes(room) ? undefined : 'is not allowed by docs/architecture.md'
  }
  if (source.isTest) return undefined
  return rule.packages.includes(packageOf(specifier))
    ? undefined
    : 'is a package this room may not use'
}

describe('imports', () => {
  it('point down only, through each room one door, to allowed packages', () => {
    const problems = sources.flatMap((source) =>
      importsOf(source).flatMap((specifier) => {
        const problem = importProblem(source, specifier)
        return problem ? [`${source.path}: ${specifier} ${problem}`] : []
      }),
    )
    expect(problems).toEqual([])
  })

  it('of pure rooms name no Node module', () => {
    const problems = production
      .filter((source) => PURE_ROOMS.includes(source.room))
      .flatMap((source) =>
        importsOf(source)
          .filter((s) => s.startsWith('node:'))
          .map((s) => `${source.path}: ${s}`),
      )
    expect(problems).toEqual([])
  })

  it('would be refused if a room reached sideways (the check itself bites)', () => {
    const [source] = production.filter((s) => s.room === 'apps/proxy')
    if (!source) throw new Error('the proxy has no sources')
    expect(importProblem(source, '@signalbox/store')).toMatch(/not allowed/)
    expect(importProblem(source, '@signalbox/model/src/event.ts')).toMatch(/past a door/)
    expect(importProblem(source, '@nestjs/common')).toMatch(/may not use/)
  })

  it('are tagged for Nx as their rooms are', () => {
    for (const room of Object.keys(RULES)) {
      const manifest = JSON.parse(readFileSync(join(root, room, 'package.json'), 'utf8'))
      expect(manifest.nx.tags).toContain(`room:${room.split('/')[1]}`)
    }
  })
})

describe('sizes', () => {
  it(`files have at most ${FILE_LINES_MAX} lines of at most ${LINE_COLUMNS_MAX} columns`, () => {
    const problems = sources.flatMap((source) => {
      const lines = source.text.split('\n')
      const long = lines.findIndex((line) => line.length > LINE_COLUMNS_MAX)
      return [
        ...(lines.length > FILE_LINES_MAX + 1 ? [`${source.path}: ${lines.length} lines`] : []),
        ...(long >= 0 && !source.isTest
          ? [`${source.path}:${long + 1}: ${lines[long]?.length} columns`]
          : []),
      ]
    })
    expect(problems).toEqual([])
  })

  it(`functions have at most ${FUNCTION_LINES_MAX} lines and three parameters`, () => {
    const problems: string[] = []
    for (const source of production) {
      walk(source.tree, (node) => {
        if (!ts.isFunctionLike(node) || !('body' in node) || !node.body) return
        const lines = node
          .getText()
          .split('\n')
          .filter((line) => line.trim() !== '').length
        if (lines > FUNCTION_LINES_MAX)
          problems.push(`${source.path}:${lineOf(source, node)}: ${lines} lines`)
        const decorated = node.parameters.some(
          (p) => ts.canHaveDecorators(p) && ts.getDecorators(p)?.length,
        )
        if (node.parameters.length > 3 && !decorated && !ts.isConstructorDeclaration(node)) {
          problems.push(
            `${source.path}:${lineOf(source, node)}: ${node.parameters.length} parameters`,
          )
        }
      })
    }
    expect(problems).toEqual([])
  })
})

describe('pure rooms', () => {
  it('use no clock, no randomness, no process, no promises', () => {
    const problems: string[] = []
    for (const source of production.filter((s) => PURE_ROOMS.includes(s.room))) {
      walk(source.tree, (node) => {
        if (ts.isAwaitExpression(node))
          problems.push(`${source.path}:${lineOf(source, node)}: await`)
        if (ts.isPropertyAccessExpression(node) && node.getText() === 'Math.random') {
          problems.push(`${source.path}:${lineOf(source, node)}: Math.random`)
        }
        if (!ts.isIdentifier(node) || !BANNED_IN_PURE_ROOMS.includes(node.text)) return
        const isMember = ts.isPropertyAccessExpression(node.parent) && node.parent.name === node
        const isName = ts.isPropertySignature(node.parent) || ts.isPropertyAssignment(node.parent)
        if (!isMember && !isName)
          problems.push(`${source.path}:${lineOf(source, node)}: ${node.text}`)
      })
    }
    expect(problems).toEqual([])
  })
})

describe('state', () => {
  it('at module level is listed in docs/architecture.md', () => {
    const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
    const problems = production.flatMap((source) =>
      source.tree.statements
        .filter(
          (s) => ts.isVariableStatement(s) && (s.declarationList.flags & ts.NodeFlags.Let) !== 0,
        )
        .filter(() => !page.includes(source.path))
        .map((s) => `${source.path}:${lineOf(source, s)}`),
    )
    expect(problems).toEqual([])
  })
})

describe('documents', () => {
  it('docs/errors.md has one row for each code, with its status', () => {
    const rows = [
      ...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(
        /^\| `([a-z_]+)` \| (\d{3}) \|/gm,
      ),
    ]
    const documented = rows.map((row) => `${row[1]} ${row[2]}`).sort()
    const inCode = Object.entries(CODES)
      .map(([code, row]) => `${code} ${row.status}`)
      .sort()
    expect(documented).toEqual(inCode)
  })

  it('docs/configuration.md has one row for each environment variable', () => {
    const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8')
    const documented = [
      ...new Set([...page.matchAll(/^\| `(SIGNALBOX_[A-Z_]+)`/gm)].map((m) => m[1])),
    ].sort()
    const shipped = [
      ...production.filter((s) => s.room !== 'libs/testing').map((s) => s.text),
      readFileSync(join(root, 'tools/run.mjs'), 'utf8'),
    ]
    const used = new Set(
      shipped.flatMap((text) => [...text.matchAll(/\bSIGNALBOX_[A-Z_]+[A-Z]\b/g)].map((m) => m[0])),
    )
    const internal = ['SIGNALBOX_BUILD_VERSION', 'SIGNALBOX_TEST_COUNTS', 'SIGNALBOX_MOCK_PORT']
    expect(documented).toEqual([...used].filter((name) => !internal.includes(name)).sort())
  })

  it('docs/openapi.json is what the admin API serves (UPDATE_OPENAPI=1 writes it)', () => {
    const path = join(root, 'docs/openapi.json')
    if (process.env['UPDATE_OPENAPI'] === '1') {
      writeFileSync(path, `${JSON.stringify(renderOpenApi(), null, 2)}\n`)
    }
    const committed: unknown = JSON.parse(readFileSync(path, 'utf8'))
    expect(committed).toEqual(JSON.parse(JSON.stringify(renderOpenApi())))
  })

  it('docs/api is made from the OpenAPI document (UPDATE_OPENAPI=1 writes it)', () => {
    const folder = join(root, 'docs/api')
    const pages = renderPages(renderOpenApi())
    if (process.env['UPDATE_OPENAPI'] === '1') {
      mkdirSync(folder, { recursive: true })
      for (const [name, text] of pages) writeFileSync(join(folder, name), text)
    }
    const committed = readdirSync(folder).filter((name) => name !== 'data-plane.md')
    expect(committed.toSorted()).toEqual([...pages.keys()].toSorted())
    const stale = committed.filter(
      (name) => readFileSync(join(folder, name), 'utf8') !== pages.get(name),
    )
    expect(stale).toEqual([])
  })

  it('links between documents lead somewhere', () => {
    const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']
      .concat(
        readdirSync(join(root, 'docs'))
          .filter((f) => f.endsWith('.md'))
          .map((f) => `docs/${f}`),
      )
      .concat(readdirSync(join(root, 'docs/api')).map((f) => `docs/api/${f}`))
      .concat(readdirSync(join(root, 'docs/decisions')).map((f) => `docs/decisions/${f}`))
    const broken = pages.flatMap((page) => {
      const text = readFileSync(join(root, page), 'utf8').replace(/```[\s\S]*?```/g, '')
      return [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(resolve(root, dirname(page), target)))
        .map((target) => `${page}: ${target}`)
    })
    expect(broken).toEqual([])
  })
})
