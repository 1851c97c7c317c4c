import { type Kind } from '@signalbox/model'
import {
  type Dialect,
  type DialectName,
  type HeaderPair,
  type KindTraits,
  type Operation,
} from './dialect.ts'
import { anthropic } from './anthropic/index.ts'
import { gemini } from './gemini/index.ts'
import { ollama } from './ollama/index.ts'
import { openai } from './openai/index.ts'

const MODELS_PATH = '/v1/models'
const HEALTH_PATH = '/health'
const ANTHROPIC_MODELS = '/v1/models?limit=1000'
const ANTHROPIC_VERSION = '2023-06-01'

const bearer = (secret: string): readonly HeaderPair[] => [['authorization', `Bearer ${secret}`]]

type Particulars = Partial<Omit<KindTraits, 'kind'>>

/** What differs from a server that speaks OpenAI's format and has no path of its own for health. */
const PARTICULARS: Readonly<Record<Kind, Particulars>> = {
  openai: { limitMember: 'max_completion_tokens' },
  'openai-compatible': { takesStreamOptions: false },
  // It offers both, and speaks its own where a client does.
  ollama: { native: ['openai', 'ollama'], limitMember: 'max_tokens' },
  'ollama-native': {
    dialect: ollama,
    native: ['ollama', 'openai'],
    prefersOwnChat: true,
    healthPath: '/api/version',
    discoveryPath: '/api/tags',
    warming: { dialect: 'ollama', method: 'GET', path: '/api/version' },
  },
  lmstudio: { limitMember: 'max_tokens' },
  localai: { limitMember: 'max_tokens' },
  vllm: { healthPath: HEALTH_PATH },
  llamacpp: { healthPath: HEALTH_PATH },
  tgi: { healthPath: HEALTH_PATH, limitMember: 'max_tokens' },
  signalbox: {
    healthPath: HEALTH_PATH,
    native: ['openai', 'anthropic', 'gemini', 'ollama'],
  },
  // Its v1 API, at https://<resource>.openai.azure.com/openai/v1.
  'azure-openai': {
    credentialHeaders: (secret) => [['api-key', secret]],
    limitMember: 'max_completion_tokens',
  },
  anthropic: {
    dialect: anthropic,
    native: ['anthropic'],
    credentialHeaders: (secret) => [['x-api-key', secret]],
    fixedHeaders: [['anthropic-version', ANTHROPIC_VERSION]],
    // A page of it holds 20 models unless it is asked for more.
    healthPath: ANTHROPIC_MODELS,
    discoveryPath: ANTHROPIC_MODELS,
    // Refused, as it names no model: so it is never billed, and goes where messages go.
    warming: { dialect: 'anthropic', method: 'POST', path: '/v1/messages', body: '{}' },
  },
  // Its maker offers OpenAI's paths too, which take the same key in another header.
  gemini: {
    dialect: gemini,
    native: ['gemini', 'openai'],
    credentialHeaders: (secret, dialect) =>
      dialect === 'gemini' ? [['x-goog-api-key', secret]] : bearer(secret),
  },
}

function withDefaults(kind: Kind): KindTraits {
  return {
    dialect: openai,
    native: ['openai'],
    prefersOwnChat: false,
    credentialHeaders: bearer,
    fixedHeaders: [],
    healthPath: MODELS_PATH,
    discoveryPath: MODELS_PATH,
    warming: { dialect: 'openai', method: 'GET', path: MODELS_PATH },
    takesStreamOptions: true,
    limitMember: undefined,
    ...PARTICULARS[kind],
    kind,
  }
}

const TRAITS = new Map<Kind, KindTraits>(
  (Object.keys(PARTICULARS) as Kind[]).map((kind) => [kind, withDefaults(kind)]),
)

/** What is particular to a kind. The same object each time. */
export function kindTraits(kind: Kind): KindTraits {
  const traits = TRAITS.get(kind)
  if (!traits) throw new Error(`kind ${kind} has no traits`)
  return traits
}

const DIALECTS: readonly Dialect[] = [openai, anthropic, gemini, ollama]

/** Every path that clients may call, of all dialects. */
export const OPERATIONS: readonly Operation[] = DIALECTS.flatMap(({ operations }) => operations)

export function dialectNamed(name: DialectName): Dialect {
  const dialect = DIALECTS.find((one) => one.name === name)
  if (!dialect) throw new Error(`there is no dialect ${name}`)
  return dialect
}

/** Whose path it is, where it can be no other dialect's. */
export function dialectOfPath(path: string): Dialect | undefined {
  return DIALECTS.find(({ roots }) => roots.some((root) => path.startsWith(root)))
}

/** Every path that lists models, and those of which `/{id}` tells of one. */
export const LIST_PATHS: readonly string[] = [
  MODELS_PATH,
  ...DIALECTS.flatMap(({ listPaths }) => listPaths),
]
export const ENTRY_PATHS: readonly string[] = [
  MODELS_PATH,
  ...DIALECTS.flatMap(({ entryPath }) => entryPath ?? []),
]

/** Answers that depend on nothing: bodies by path. */
export const FIXED: ReadonlyMap<string, string> = new Map(
  DIALECTS.flatMap(({ fixed }) => Object.entries(fixed ?? {})),
)
