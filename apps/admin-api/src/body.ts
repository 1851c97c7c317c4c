import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { parse as parseToml } from 'smol-toml'
import { parse as parseYaml } from 'yaml'
import { Refused, refused } from './refused.ts'
import { type AdminRequest } from './request.ts'

/** Of a body; a whole configuration may have more. */
const BODY_BYTES_MAX = 262_144
export const DOCUMENT_BYTES_MAX = 16_777_216
const DOCUMENTS: ReadonlySet<string | undefined> = new Set(['/admin/v1/config', '/admin/v1/plan'])

const JSON_TYPES = ['application/json', 'application/merge-patch+json']
/** Aliases are counted, so that a few lines cannot become gigabytes. */
const YAML_OPTIONS = { maxAliasCount: 100, prettyErrors: false, uniqueKeys: true } as const
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Bodies are kept as bytes beside what they parse to: an Idempotency-Key stands for these bytes.
 */
export function readBodies(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    const declared = Number(request.headers['content-length'] ?? 0)
    if (declared > limitOf(request)) done(tooLarge())
    else done()
  })
  fastify.removeAllContentTypeParsers()
  for (const { name, types, parse } of FORMATS) {
    fastify.addContentTypeParser(types, { parseAs: 'buffer' }, (request, body, done) => {
      const bytes = body as Buffer
      ;(request as AdminRequest).rawBody = bytes
      // Of a chunked one the length is known only now.
      if (bytes.length > limitOf(request)) return done(tooLarge(), undefined)
      try {
        done(null, bytes.length === 0 ? undefined : parse(utf8.decode(bytes)))
      } catch (error) {
        const known = error instanceof Refused
        done(known ? error : refused('malformed_body', `the body is not valid ${name}`), undefined)
      }
    })
  }
}

function limitOf({ routeOptions: { url } }: FastifyRequest): number {
  return DOCUMENTS.has(url) ? DOCUMENT_BYTES_MAX : BODY_BYTES_MAX
}

function tooLarge(): Refused {
  return refused('admin_body_too_large', 'the body is over the limit')
}

/** YAML and TOML become what the same JSON would. */
const FORMATS = [
  { name: 'JSON', types: JSON_TYPES, parse: parseJson },
  {
    name: 'YAML',
    types: ['application/yaml'],
    parse: (text: string) => parseJson(JSON.stringify(parseYaml(text, YAML_OPTIONS))),
  },
  {
    name: 'TOML',
    types: ['application/toml'],
    parse: (text: string) => parseJson(JSON.stringify(parseToml(text))),
  },
]

function parseJson(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => {
    if (!isStorable(key) || (typeof value === 'string' && !isStorable(value))) {
      throw refused('malformed_body', 'text may hold no NUL and no half of a surrogate pair')
    }
    return value
  })
}

/** Neither canonical JSON nor Postgres can hold the rest. */
function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}
