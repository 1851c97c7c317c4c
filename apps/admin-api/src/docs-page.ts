import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { CODES } from '@signalbox/model'
import { type FastifyInstance } from 'fastify'
import { renderOpenApi } from './openapi.ts'

const FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
}
const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Signalbox admin API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="api"></div><script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script></body></html>`
const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api' })`
/** Nothing from elsewhere: the page works without a network. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

/** /openapi.json and a page to browse it. */
export function serveDocs(fastify: FastifyInstance): void {
  const document = JSON.stringify(renderOpenApi())
  const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
  const send = (path: string, type: string, read: () => string | Buffer) =>
    fastify.get(path, (_request, reply) => {
      void reply.header('content-security-policy', POLICY).type(type).send(read())
    })
  send('/openapi.json', 'application/json', () => document)
  send('/docs', 'text/html', () => PAGE)
  send('/docs/errors', 'text/html', errorsPage)
  send('/docs/start.js', 'text/javascript', () => START)
  for (const [file, type] of Object.entries(FILES)) {
    send(`/docs/${file}`, type, () => readFileSync(join(folder, file)))
  }
}

/** Where the `type` of a problem document leads: one row a code, addressed by #code. */
function errorsPage(): string {
  const rows = Object.entries(CODES)
    .filter(([, { plane }]) => plane === 'admin')
    .map(([code, { status, remedy }]) => {
      const safe = remedy.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
      return `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${safe}</td></tr>`
    })
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Signalbox errors</title></head>
<body><h1>Errors of the admin API</h1><table>
<tr><th>code</th><th>status</th><th>what to do</th></tr>
${rows.join('\n')}
</table></body></html>`
}
