import { type FastifyInstance } from 'fastify'
import { Refused, refused } from './refused.ts'
import { type AdminRequest } from './request.ts'

const JSON_TYPES = ['application/json', 'application/merge-patch+json']
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Bodies are kept as bytes beside what they parse to: an Idempotency-Key stands for these bytes.
 */
export function readBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser(JSON_TYPES, { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer
    ;(request as AdminRequest).rawBody = bytes
    try {
      done(null, bytes.length === 0 ? undefined : parseJson(bytes))
    } catch (error) {
      const known = error instanceof Refused
      done(known ? error : refused('malformed_body', 'the body is not valid JSON'), undefined)
    }
  })
}

function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(utf8.decode(bytes), (key, value: unknown) => {
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
