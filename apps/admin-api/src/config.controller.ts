import { Controller, Get, Inject, Put, Req, Res } from '@nestjs/common'
import { CONFIG_RESOURCES, configOf, readConfigDocument } from '@signalbox/control'
import { DEFINITIONS, parseId, type Spec } from '@signalbox/model'
import { type FastifyReply } from 'fastify'
import { stringify as toToml } from 'smol-toml'
import { stringify as toYaml } from 'yaml'
import { maskSpec } from './masking.ts'
import { refused } from './refused.ts'
import {
  type AdminRequest,
  atHead,
  readFlag,
  readQuery,
  readWrite,
  wrongParameter,
} from './request.ts'
import { respond } from './respond.ts'
import { AdminService } from './service.ts'

const FORMATS: Readonly<Record<string, { type: string; render: (value: object) => string }>> = {
  json: { type: 'application/json', render: (value) => `${JSON.stringify(value, null, 2)}\n` },
  yaml: { type: 'application/yaml', render: (value) => toYaml(value) },
  toml: { type: 'application/toml', render: (value) => toToml(value) },
}
const APPLY_PARAMETERS = ['prune', 'force', 'set']
export const SET_WANTED = 'expected 1 to 63 letters, digits and . _ -'

/** The whole desired state as one document: read, now or then, and applied. */
@Controller('admin/v1/config')
export class ConfigController {
  readonly service: AdminService

  constructor(@Inject(AdminService) service: AdminService) {
    this.service = service
  }

  @Get()
  async read(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    const { asOf, format = 'json' } = readQuery(request, ['asOf', 'format'])
    const rendering = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined
    if (!rendering) throw wrongParameter('format', 'expected json, yaml or toml')
    const snapshot = await this.service.state(asOf, CONFIG_RESOURCES)
    const { revision } = snapshot.head
    void reply
      .header('content-type', `${rendering.type}; charset=utf-8`)
      .header('x-signalbox-revision', String(revision))
      .header('etag', `"${revision}"`)
      .send(rendering.render(maskedConfig(configOf(snapshot))))
  }

  @Put()
  async apply(@Req() request: AdminRequest, @Res() reply: FastifyReply): Promise<void> {
    const options = atHead(readWrite(request, { more: APPLY_PARAMETERS }))
    const query = readQuery(request, [...APPLY_PARAMETERS, 'dryRun', 'wait'])
    const { set = null } = query
    if (set !== null && !parseId('set', set).ok) throw wrongParameter('set', SET_WANTED)
    const document = readConfigDocument(request.body)
    if (!document.ok) {
      throw refused('validation_failed', 'the configuration is not valid', document.error)
    }
    const how = { set, prune: readFlag(query, 'prune'), force: readFlag(query, 'force') }
    respond(reply, await this.service.apply(document.value, how, options))
  }
}

function maskedConfig(document: ReturnType<typeof configOf>): object {
  const entries = CONFIG_RESOURCES.map((name) => {
    const { plural } = DEFINITIONS[name]
    const specs = Object.entries(document[plural]).map(([id, spec]) => [id, maskSpec(spec as Spec)])
    return [plural, Object.fromEntries(specs)]
  })
  return Object.fromEntries(entries) as object
}
