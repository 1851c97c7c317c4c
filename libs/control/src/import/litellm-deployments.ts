import { modelName } from '@signalbox/model'
import { type Fragment } from './document.ts'
import { apiKeyProblem, urlMisfit } from './endpoint.ts'
import { endpointOf, splitModel, type Endpoint, type NamedModel } from './litellm-providers.ts'
import { isMapping, type Path, type Reader } from './reader.ts'
import { firstOf, misfit, outside, reads } from './settings.ts'
import { readPrice } from './litellm-price.ts'
import { type Lookup } from './variables.ts'

/** One entry of model_list that Signalbox can serve. */
export interface Deployment {
  readonly path: Path
  /** What clients ask for; undefined for `*`, which makes a backend and no route. */
  readonly name: string | undefined
  readonly model: string
  readonly endpoint: Endpoint
  readonly apiKey: string | undefined
  /** What it says of a backend that is its own, by the key that says it. */
  readonly limits: ReadonlyMap<string, Fragment>
  readonly price: Fragment | undefined
  readonly weight: number | undefined
  readonly order: number | undefined
  /** A minute, as they are written: also where they can be no limit of the backend. */
  readonly rates: Rates
  /** What it says about a policy, by the key that says it. */
  readonly overrides: ReadonlyMap<string, Fragment>
}

interface Rates {
  readonly rpm?: number
  readonly tpm?: number
}

/** Parameters of a deployment that are a route's policy in Signalbox. */
const OVERRIDES = {
  timeout: readTimeout,
  stream_timeout: reads.duration((streamTotalMs) => ({ timeouts: { streamTotalMs } })),
  num_retries: reads.integer((maxRetries) => ({ retry: { maxRetries } })),
  drop_params: reads.flag((drops) => ({ translation: drops ? 'lenient' : 'strict' })),
}
export const OVERRIDE_KEYS = Object.keys(OVERRIDES) as readonly (keyof typeof OVERRIDES)[]

/** And those that are a limit of its backend. */
const LIMITS = {
  max_parallel_requests: reads.integer((concurrency) => ({ concurrency })),
  rpm: reads.integer((rpm) => ({ rpm })),
  tpm: reads.integer((tpm) => ({ tpm })),
}

const STREAM_TIMEOUT: Path = ['router_settings', 'stream_timeout']
const NO_ENDPOINT = {
  'no-kind': 'Signalbox has no kind of backend for this provider',
  'no-base': 'no api_base says where this provider is',
}
const NO_PROVIDER = 'the model has no provider in front, and its name does not tell one'
const NO_PATTERNS =
  'Signalbox has no patterns in model names: name the models, or let a backend discover them'
const ANY = '*'

/** The deployments that can be served. What is left out is left as a whole, with its reason. */
export function readDeployments(reader: Reader, lookup: Lookup): readonly Deployment[] {
  return reader.items(['model_list']).flatMap((path) => readDeployment(reader, path, lookup) ?? [])
}

function readDeployment(reader: Reader, path: Path, lookup: Lookup): Deployment | undefined {
  const params = [...path, 'litellm_params']
  if (!isMapping(reader.at(path)) || !isMapping(reader.at(params))) {
    return reader.problem(path, 'expected a mapping with model_name and litellm_params')
  }
  const name = required(reader, [...path, 'model_name'])
  const named = readModel(reader, path)
  if (name === undefined || named === undefined) return undefined
  const why = nameMisfit(name, named.model)
  if (why !== undefined) return void reader.leave(path, why)
  const endpoint = readEndpoint(reader, path, named.provider)
  if (!endpoint) return undefined
  const apiKey = readKey(reader, [...params, 'api_key'], { endpoint, lookup })
  const shared = { path, model: named.model, endpoint, apiKey }
  const none = {
    weight: undefined,
    order: undefined,
    rates: {},
    limits: new Map(),
    overrides: new Map(),
  }
  if (name === ANY) return { ...shared, ...none, name: undefined, price: undefined }
  return {
    ...shared,
    name,
    ...readLimits(reader, params),
    price: readPrice(reader, path),
    weight: reader.number([...params, 'weight']),
    order: reader.integer([...params, 'order']),
    overrides: readOverrides(reader, params),
  }
}

function required(reader: Reader, path: Path): string | undefined {
  const text = reader.text(path)
  if (text !== undefined && text !== '') return text
  // A value of another shape, or a variable that is not set, is a problem already.
  if (text === '' || !reader.has(path)) reader.problem(path, 'expected a model')
  return undefined
}

function readModel(reader: Reader, path: Path): NamedModel | undefined {
  const at = [...path, 'litellm_params', 'model']
  const text = required(reader, at)
  const provider = reader.text([...path, 'litellm_params', 'custom_llm_provider'])
  if (text === undefined) return undefined
  const named = splitModel(text, provider || undefined)
  if (!named) reader.leave(path, NO_PROVIDER)
  return named
}

function nameMisfit(name: string, model: string): string | undefined {
  if (name === ANY && model === ANY) return undefined
  if (name.includes(ANY) || model.includes(ANY)) return NO_PATTERNS
  const broken = [name, model]
    .map((one) => modelName.safeParse(one))
    .find((parsed) => !parsed.success)
  return broken && outside(broken.error?.issues[0]?.message ?? '')
}

function readEndpoint(reader: Reader, path: Path, provider: string): Endpoint | undefined {
  const params = [...path, 'litellm_params']
  const kindless = endpointOf(provider, undefined) === 'no-kind'
  if (kindless) return void reader.leave(path, `${NO_ENDPOINT['no-kind']}${shown(reader, path)}`)
  const at = firstOf(reader, [
    [...params, 'api_base'],
    [...params, 'base_url'],
  ])
  const base = at && reader.text(at)
  if (at && base === undefined) return undefined
  const endpoint = endpointOf(provider, base || undefined)
  if (endpoint === 'no-url') {
    return reader.problem(at ?? params, 'expected an absolute URL such as http://127.0.0.1:8000')
  }
  if (typeof endpoint === 'string') return void reader.leave(path, NO_ENDPOINT[endpoint])
  const why = urlMisfit(endpoint.url)
  return why === undefined ? endpoint : void reader.leave(path, why)
}

/** The provider's name, where it stands in the file: not where a variable holds it. */
function shown(reader: Reader, path: Path): string {
  const params = [...path, 'litellm_params']
  const said = [reader.at([...params, 'custom_llm_provider']), reader.at([...params, 'model'])]
  const text = said.find((value) => typeof value === 'string' && value !== '') as string
  const name = text.split('/')[0] ?? ''
  return /^[a-z0-9_-]{1,32}$/.test(name) ? `: ${name}` : ''
}

function readKey(
  reader: Reader,
  path: Path,
  { endpoint, lookup }: { readonly endpoint: Endpoint; readonly lookup: Lookup },
): string | undefined {
  const said = reader.text(path)
  const variable = endpoint.keyVariable
  if (!reader.has(path) && variable !== undefined) {
    const found = lookup(variable)
    if (found === undefined) reader.leave(path, `not there, and ${variable} is not set: no key`)
    else if (apiKeyProblem(found)) reader.problem(path, `${variable}: ${apiKeyProblem(found)}`)
    return found
  }
  const problem = said ? apiKeyProblem(said) : undefined
  if (problem) reader.problem(path, problem)
  return said || undefined
}

/** It holds for streams too, unless there is a timeout for the streams of all deployments. */
function readTimeout(reader: Reader, path: Path): Fragment | undefined {
  const ms = reader.durationMs(path)
  if (ms === undefined) return undefined
  const forStreams = reader.has(STREAM_TIMEOUT) ? {} : { streamTotalMs: ms }
  return { timeouts: { totalMs: ms, ...forStreams } }
}

function readLimits(reader: Reader, params: Path): Pick<Deployment, 'limits' | 'rates'> {
  const limits = new Map<string, Fragment>()
  let said: Fragment = {}
  for (const [key, read] of Object.entries(LIMITS)) {
    const path = [...params, key]
    const part = read(reader, path)
    said = { ...said, ...part }
    const why = part && misfit('backend', { limits: part })
    if (part && why === undefined) limits.set(key, part)
    else if (why !== undefined) reader.leave(path, why)
  }
  return { limits, rates: said as Rates }
}

function readOverrides(reader: Reader, params: Path): ReadonlyMap<string, Fragment> {
  const found = new Map<string, Fragment>()
  for (const key of OVERRIDE_KEYS) {
    const other = key === 'num_retries' ? [[...params, 'max_retries']] : []
    const path = firstOf(reader, [[...params, key], ...other])
    const part = path && OVERRIDES[key](reader, path)
    if (!path || !part) continue
    const why = misfit('policy', part)
    if (why === undefined) found.set(key, part)
    else reader.leave(path, why)
  }
  return found
}
