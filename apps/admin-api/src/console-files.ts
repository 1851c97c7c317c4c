import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { refused } from './refused.ts'

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}
const FOR_EVER = 'public, max-age=31536000, immutable'
/** Nothing from elsewhere and nothing inline: the page works without a network. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

/**
 * The console: a page at `/`, and files whose names change with what is in them. They are read when
 * they are asked for, from where the build puts them; where it was not built, `/` is the reference.
 */
export function serveConsole(fastify: FastifyInstance, from: string): void {
  const folder = findConsole(from)
  fastify.get('/', async (request, reply) => {
    if (!folder) return reply.redirect('/docs')
    void reply.header('content-security-policy', POLICY).header('referrer-policy', 'no-referrer')
    void reply.type('text/html; charset=utf-8')
    return sendFile(request, reply, join(folder, 'index.html'))
  })
  fastify.get<{ Params: { file: string } }>('/assets/:file', async (request, reply) => {
    const { file } = request.params
    const type = TYPES[file.split('.').at(-1) ?? '']
    const assets = folder ? join(folder, 'assets') : undefined
    // Only what the folder lists: no name leads out of it.
    const listed = assets ? await readdir(assets) : []
    if (!assets || type === undefined || !listed.includes(file)) {
      throw refused('not_found', 'there is no such path')
    }
    void reply.type(type).header('cache-control', FOR_EVER)
    return sendFile(request, reply, join(assets, file))
  })
}

/** Beside the bundle that runs, or in dist/ above the sources. */
function findConsole(from: string): string | undefined {
  const here = dirname(fileURLToPath(from))
  const candidates = [join(here, '../console'), join(here, '../../../dist/console')]
  return candidates.find((folder) => existsSync(join(folder, 'index.html')))
}

async function sendFile(request: FastifyRequest, reply: FastifyReply, path: string) {
  void reply.header('vary', 'accept-encoding')
  if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return readFile(path)
  void reply.header('content-encoding', 'gzip')
  return readFile(`${path}.gz`)
}
