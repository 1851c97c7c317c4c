import { WRITABLE } from '@signalbox/model'
import { finished } from './openapi-finish.ts'
import { type Json } from './openapi-kit.ts'
import { OTHER_PATHS } from './openapi-paths.ts'
import { RELEASE_PATHS, RELEASE_SCHEMAS } from './openapi-releases.ts'
import { resourcePaths, resourceSchemas } from './openapi-resources.ts'
import { OBSERVED_SCHEMAS, SHARED_SCHEMAS } from './openapi-schemas.ts'
import { USAGE_PATHS, USAGE_SCHEMAS } from './openapi-usage.ts'

const ABOUT = [
  'What is desired is in the log: resources, the configuration and releases are read as they are,',
  'or with asOf as they were at a revision or a time, and explain takes a revision. What is',
  'observed has no asOf, as no revision holds it: fleet, status, events, secrets/status, usage and',
  'requests, and how a release does. Revisions and the audit are the log itself.',
].join(' ')

/** The OpenAPI 3.1 document; docs/openapi.json is the committed copy of it. */
export function renderOpenApi(): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Signalbox admin API',
      version: '1',
      description: ABOUT,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ token: [] }],
    paths: finished(
      Object.assign(
        {},
        ...WRITABLE.map(resourcePaths),
        OTHER_PATHS,
        USAGE_PATHS,
        RELEASE_PATHS,
      ) as Json,
    ),
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: Object.assign(
        {},
        ...WRITABLE.map(resourceSchemas),
        SHARED_SCHEMAS,
        OBSERVED_SCHEMAS,
        USAGE_SCHEMAS,
        RELEASE_SCHEMAS,
      ) as Json,
    },
  }
}
