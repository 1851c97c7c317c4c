import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { EVENT_SCHEMA, type RevisionBody } from './event.ts'
import { DEFINITIONS, parseSpec, type ResourceName, RESOURCES, type Spec } from './resource.ts'
import { upcastBody, upcastSpec } from './upcast.ts'

interface Golden {
  readonly resource: ResourceName
  readonly id: string
  readonly spec: Spec
}

const folder = join(import.meta.dirname, 'fixtures')
const goldenOf = (schema: number): readonly Golden[] =>
  JSON.parse(readFileSync(join(folder, `events-${schema}.json`), 'utf8'))
const schemas = Array.from({ length: EVENT_SCHEMA }, (_, index) => index + 1)

/** Changes with every change of the shape of any spec. */
function digestOfShapes(): string {
  const shapes = RESOURCES.map((name) =>
    z.toJSONSchema(DEFINITIONS[name].spec, { unrepresentable: 'any' }),
  )
  return createHash('sha256').update(JSON.stringify(shapes)).digest('hex')
}

describe('event schemas', () => {
  it('each have their golden specs, and the shapes of today are those of the last', () => {
    expect(readdirSync(folder).toSorted()).toEqual(
      [...schemas.map((schema) => `events-${schema}.json`), 'shapes.json'].toSorted(),
    )
    // Not equal? Count EVENT_SCHEMA up, add golden specs, and put the digest there.
    expect(JSON.parse(readFileSync(join(folder, 'shapes.json'), 'utf8'))).toEqual({
      schema: EVENT_SCHEMA,
      digest: digestOfShapes(),
    })
  })

  it.each(schemas)('of number %d are read for ever, and lose nothing that was said', (schema) => {
    for (const { resource, spec } of goldenOf(schema)) {
      const now = upcastSpec(resource, spec, schema)
      expect(parseSpec(resource, now)).toEqual({ ok: true, value: now })
      expect(now).toMatchObject(spec)
    }
  })

  it('have a golden spec for each kind of resource, today', () => {
    const kinds = new Set(goldenOf(EVENT_SCHEMA).map(({ resource }) => resource))
    expect([...kinds].toSorted()).toEqual([...RESOURCES].toSorted())
    for (const { resource, spec } of goldenOf(EVENT_SCHEMA)) {
      expect(upcastSpec(resource, spec, EVENT_SCHEMA)).toBe(spec)
    }
  })

  it('name what cannot be read', () => {
    const spec = { kind: 'steam-engine' } as unknown as Spec
    expect(() => upcastSpec('backend', spec, 0)).toThrow(/a backend of schema 0 .*spec\.kind/)
  })

  it('are brought up to date in a whole revision, but for what was deleted', () => {
    const [golden] = goldenOf(1)
    const event = { position: 1, version: 1, schema: 0, ...golden, type: 'backend.created' }
    const gone = { ...event, id: 'gone', spec: null, type: 'backend.deleted' }
    const body = { events: [event, gone] } as unknown as RevisionBody
    const [first, second] = upcastBody(body).events
    expect(first).toMatchObject({ schema: EVENT_SCHEMA, spec: golden?.spec })
    expect(second).toBe(gone)
    const fresh = { events: [{ ...event, schema: EVENT_SCHEMA }] } as unknown as RevisionBody
    expect(upcastBody(fresh)).toBe(fresh)
  })
})
