/** Sections that have to be mappings. */
export const LITELLM_SECTIONS = [
  'router_settings',
  'litellm_settings',
  'general_settings',
  'environment_variables',
] as const

const processSetting = (variable: string) => `belongs to the process: set ${variable}`
const notYet = (what: string) => `this version of Signalbox has no ${what}`

const BUDGET = 'in Signalbox a budget belongs to a key of a client: signalbox keys create --budget'
const CACHE_PLACE =
  'answers are kept in SIGNALBOX_CACHE_BYTES of memory, and where SIGNALBOX_REDIS_URL says'
const CLIENT_KEYS = 'Signalbox makes the keys of clients itself: signalbox keys create'
const BREAKER = "write it as the policy's breaker: it counts in another way"
const RETRY = "write the statuses that say that nothing ran as the policy's retry.on"
const ERRORS = 'Signalbox passes an error that a backend answered on, and falls back for none'
const BODY = 'Signalbox sends a request on as the client wrote it'
const LOGGING = 'Signalbox has metrics at /metrics and lines of JSON: see SIGNALBOX_LOG'
const SHARED = 'proxies share limits over the bus, and kept answers where SIGNALBOX_REDIS_URL says'
const PATTERN = 'belongs to a route, and a pattern makes none'
const PARAM = 'model_list.*.litellm_params'

/** Why a key of a LiteLLM file is not taken over. Keys that specs can hold are not here. */
export const LITELLM_REASONS: Readonly<Record<string, string>> = {
  [`${PARAM}.rpm`]: PATTERN,
  [`${PARAM}.tpm`]: PATTERN,
  [`${PARAM}.max_budget`]: BUDGET,
  [`${PARAM}.budget_duration`]: BUDGET,
  [`${PARAM}.input_cost_per_token`]: PATTERN,
  [`${PARAM}.output_cost_per_token`]: PATTERN,
  [`${PARAM}.cache_read_input_token_cost`]: PATTERN,
  [`${PARAM}.api_version`]: 'Azure is called through its v1 API, which wants no version',
  [`${PARAM}.organization`]: notYet('headers that are added for a backend'),
  [`${PARAM}.extra_headers`]: notYet('headers that are added for a backend'),
  [`${PARAM}.headers`]: notYet('headers that are added for a backend'),
  [`${PARAM}.tags`]: notYet('routing by tags'),
  [`${PARAM}.drop_params`]: PATTERN,
  [`${PARAM}.weight`]: PATTERN,
  [`${PARAM}.order`]: PATTERN,
  [`${PARAM}.timeout`]: PATTERN,
  [`${PARAM}.stream_timeout`]: PATTERN,
  [`${PARAM}.num_retries`]: PATTERN,
  [`${PARAM}.max_retries`]: PATTERN,
  [`${PARAM}.max_parallel_requests`]: PATTERN,
  [PARAM]: `not a setting of Signalbox; ${BODY}`,
  'model_list.*.model_info': notYet('model metadata; of it the costs of tokens are read'),
  'router_settings.allowed_fails': BREAKER,
  'router_settings.allowed_fails_policy': BREAKER,
  'router_settings.cooldown_time': BREAKER,
  'router_settings.disable_cooldowns': BREAKER,
  'router_settings.retry_after':
    "a retry goes at once to another backend; write the policy's retry.backoff for the same one",
  'router_settings.retry_policy': RETRY,
  'router_settings.model_group_retry_policy': RETRY,
  'router_settings.context_window_fallbacks': ERRORS,
  'router_settings.content_policy_fallbacks': ERRORS,
  'router_settings.redis_host': SHARED,
  'router_settings.redis_port': SHARED,
  'router_settings.redis_password': SHARED,
  'router_settings.redis_url': SHARED,
  'router_settings.redis_db': SHARED,
  'router_settings.cache_responses': "write it as the policy's cache",
  'router_settings.enable_tag_filtering': notYet('routing by tags'),
  'router_settings.tag_filtering_match_any': notYet('routing by tags'),
  'router_settings.default_max_parallel_requests': "write it as each backend's limits.concurrency",
  'router_settings.provider_budget_config': BUDGET,
  'router_settings.default_litellm_params': BODY,
  'litellm_settings.modify_params': BODY,
  'litellm_settings.cache_params': CACHE_PLACE,
  'litellm_settings.context_window_fallbacks': ERRORS,
  'litellm_settings.content_policy_fallbacks': ERRORS,
  'litellm_settings.callbacks': LOGGING,
  'litellm_settings.success_callback': LOGGING,
  'litellm_settings.failure_callback': LOGGING,
  'litellm_settings.service_callbacks': LOGGING,
  'litellm_settings.set_verbose': LOGGING,
  'litellm_settings.json_logs': LOGGING,
  'litellm_settings.max_budget': BUDGET,
  'litellm_settings.budget_duration': BUDGET,
  'general_settings.master_key': `${CLIENT_KEYS}; the admin API's own is SIGNALBOX_ADMIN_TOKEN`,
  'general_settings.database_url': processSetting('SIGNALBOX_DATABASE_URL'),
  'general_settings.custom_auth': CLIENT_KEYS,
  'general_settings.enable_jwt_auth': notYet('JWTs of clients'),
  'general_settings.alerting': notYet('alerts of its own: use the metrics'),
  'general_settings.alerting_threshold': notYet('alerts of its own: use the metrics'),
  'general_settings.background_health_checks':
    'probes cost no tokens and are on; health.enabled of a backend turns them off',
  'general_settings.max_parallel_requests': "write it as each backend's limits.concurrency",
  'general_settings.global_max_parallel_requests':
    "write it as the settings' limits.concurrency, which is the whole fleet's",
  general_settings: 'a setting of the process of LiteLLM that Signalbox has no like of',
  environment_variables: 'nothing that is imported refers to it',
  guardrails: notYet('guardrails'),
  mcp_servers: notYet('MCP servers'),
  credential_list: 'write the key at each deployment, or as a secret: signalbox secrets set',
}
