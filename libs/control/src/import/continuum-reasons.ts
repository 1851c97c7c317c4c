/** Sections that have to be mappings. */
export const CONTINUUM_SECTIONS = [
  'server',
  'request',
  'cache',
  'http_client',
  'routing',
  'health_checks',
  'deduplication',
  'logging',
  'metrics',
] as const

const processSetting = (variable: string) => `belongs to the process: set ${variable}`
const notYet = (what: string) => `this version of Signalbox has no ${what}`

/** Why a key of a Continuum file is not taken over. Keys that specs can hold are not here. */
export const CONTINUUM_REASONS: Readonly<Record<string, string>> = {
  'server.bind_address': processSetting('SIGNALBOX_PROXY_LISTEN'),
  'server.keepalive_timeout': notYet('setting for how long idle connections are kept'),
  'server.socket_path': processSetting('SIGNALBOX_PROXY_LISTEN=unix:/path'),
  'server.unix_socket': processSetting('SIGNALBOX_PROXY_LISTEN=unix:/path'),
  'server.workers': 'a proxy is one process: start more proxies',
  'server.max_body_size': processSetting('SIGNALBOX_BODY_BYTES_MAX'),
  'request.max_body_size': processSetting('SIGNALBOX_BODY_BYTES_MAX'),
  'request.retry_delay':
    "a retry goes at once to another backend; write the policy's retry.backoff for the same one",
  'cache.model_cache_ttl':
    'probes find models and proxies are told at once: there is no copy that gets old',
  'cache.deduplication_ttl': notYet('deduplication'),
  cache: notYet('response cache'),
  'http_client.pool_idle_timeout': notYet('setting for how long idle connections are kept'),
  'http_client.pool_max_idle_per_host': notYet('limit of idle connections'),
  'health_checks.warmup_check_interval': 'a backend that warms up is probed every second anyway',
  deduplication: notYet('deduplication'),
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
  'backends.*.max_concurrent_requests': "write it as the backend's limits.concurrency",
  'backends.*.rate_limit': notYet('rate limit'),
  'backends.*.system_prompt': notYet('system prompts'),
  api_keys: notYet('keys of clients'),
  circuit_breaker: "write it as the policy's breaker: it counts in another way",
  cors: notYet('CORS'),
  fallback: 'write routes with several tiers, or with fallbacks to other routes',
  model_metadata: notYet('model metadata'),
  prompts: notYet('system prompts'),
  global_prompts: notYet('system prompts'),
  rate_limit: notYet('rate limit'),
  rate_limiting: notYet('rate limit'),
  admin: processSetting('SIGNALBOX_ADMIN_LISTEN and SIGNALBOX_ADMIN_TOKEN'),
}
