/** Sections that have to be mappings. */
export const CONTINUUM_SECTIONS = [
  'server',
  'request',
  'cache',
  'response_cache',
  'http_client',
  'routing',
  'health_checks',
  'deduplication',
  'global_prompts',
  'logging',
  'metrics',
] as const

const processSetting = (variable: string) => `belongs to the process: set ${variable}`
const notYet = (what: string) => `this version of Signalbox has no ${what}`

const KEYS = 'Signalbox makes the keys of clients itself: signalbox keys create'
const RATES =
  'write it as limits of the settings (all requests; addressLimits: each client), of keys, of ' +
  'policies (each route) or of backends, by the minute: docs/limits.md'
const FILES = 'Signalbox reads no files beside this one: write the text here'
const CACHE_PLACE =
  'answers are kept in SIGNALBOX_CACHE_BYTES of memory, and where SIGNALBOX_REDIS_URL says'

/** Why a key of a Continuum file is not taken over. Keys that specs can hold are not here. */
export const CONTINUUM_REASONS: Readonly<Record<string, string>> = {
  'server.bind_address': processSetting('SIGNALBOX_PROXY_LISTEN'),
  'server.keepalive_timeout': 'connections of clients are kept unused for 75 s, always',
  'server.socket_path': processSetting('SIGNALBOX_PROXY_LISTEN=unix:/path'),
  'server.unix_socket': processSetting('SIGNALBOX_PROXY_LISTEN=unix:/path'),
  'server.workers': processSetting('SIGNALBOX_WORKERS'),
  'server.max_body_size': processSetting('SIGNALBOX_BODY_BYTES_MAX'),
  'request.max_body_size': processSetting('SIGNALBOX_BODY_BYTES_MAX'),
  'request.retry_delay':
    "a retry goes at once to another backend; write the policy's retry.backoff for the same one",
  'cache.model_cache_ttl':
    'probes find models and proxies are told at once: there is no copy that gets old',
  cache: CACHE_PLACE,
  response_cache: CACHE_PLACE,
  'health_checks.warmup_check_interval': 'a backend that warms up is probed every second anyway',
  'health_checks.max_warmup_duration':
    'a backend that answers 503 counts as warming up for 10 minutes, always, and then as down',
  deduplication: 'not a setting of Signalbox: see deduplication in docs/caching.md',
  'logging.level': processSetting('SIGNALBOX_LOG'),
  logging: processSetting('SIGNALBOX_LOG; logs are lines of JSON'),
  'metrics.enabled': processSetting('SIGNALBOX_METRICS=on or off'),
  'metrics.endpoint': 'metrics are always at /metrics',
  'metrics.path': 'metrics are always at /metrics',
  'metrics.auth.enabled': 'on where SIGNALBOX_METRICS_USERNAME and _PASSWORD are set',
  'metrics.auth.username': processSetting('SIGNALBOX_METRICS_USERNAME'),
  'metrics.auth.password': processSetting('SIGNALBOX_METRICS_PASSWORD'),
  'backends.*.headers': notYet('headers that are added for a backend'),
  'backends.*.org_id': notYet('headers that are added for a backend'),
  'backends.*.models.*.aliases': 'write a route with this name and the aliases',
  'backends.*.models.*.metadata': notYet('model metadata'),
  'backends.*.rate_limit': "write it as the backend's limits.rpm and limits.tpm",
  'backends.*.system_prompt_file': FILES,
  api_keys: KEYS,
  circuit_breaker: "write it as the policy's breaker: it counts in another way",
  cors: notYet('CORS'),
  fallback: 'write routes with several tiers, or with fallbacks to other routes',
  model_metadata: notYet('model metadata'),
  model_metadata_file: `${notYet('model metadata')}; what models cost is the price of a backend`,
  prompts: "write them as the policy's prompts: all, models, backends",
  'global_prompts.default_file': FILES,
  'global_prompts.prompts_dir': FILES,
  global_prompts: "no part of the policy's prompts; of files Signalbox reads this one alone",
  rate_limit: RATES,
  rate_limits: RATES,
  rate_limiting: RATES,
  admin: processSetting('SIGNALBOX_ADMIN_LISTEN and SIGNALBOX_ADMIN_TOKEN'),
}
