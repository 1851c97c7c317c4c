/**
 * Every refusal and failure that leaves Signalbox carries one of these codes. A code is stable:
 * clients may switch on it. Each has one row in docs/errors.md (test/tidy.spec.ts compares both).
 */
interface CodeRow {
  readonly status: number
  readonly plane: 'admin' | 'proxy'
  /** What the reader can do about it. */
  readonly remedy: string
}

export const CODES = {
  malformed_body: {
    status: 400,
    plane: 'admin',
    remedy: 'Send one JSON object with content-type application/json.',
  },
  admin_malformed_request: {
    status: 400,
    plane: 'admin',
    remedy: 'Send valid HTTP/1.1, and all of the body that content-length announces.',
  },
  unknown_parameter: {
    status: 400,
    plane: 'admin',
    remedy: 'Remove or correct the query parameter or header that errors[] names.',
  },
  unauthenticated: {
    status: 401,
    plane: 'admin',
    remedy: 'Send `Authorization: Bearer <token>`; `npm start` prints where the token lies.',
  },
  forbidden: { status: 403, plane: 'admin', remedy: 'Use a token whose role allows this call.' },
  not_found: { status: 404, plane: 'admin', remedy: 'List the collection to see which ids exist.' },
  method_not_allowed: {
    status: 405,
    plane: 'admin',
    remedy: 'See /docs for the methods of this path.',
  },
  admin_request_timeout: {
    status: 408,
    plane: 'admin',
    remedy: 'Send the whole request sooner.',
  },
  already_exists: {
    status: 409,
    plane: 'admin',
    remedy: 'Choose another id, or use PUT to replace the resource.',
  },
  dangling_reference: {
    status: 409,
    plane: 'admin',
    remedy: 'Create the resource that is referred to first, or correct its name.',
  },
  still_referenced: {
    status: 409,
    plane: 'admin',
    remedy: 'Change or delete the resources that refer to it first.',
  },
  owned_by_set: {
    status: 409,
    plane: 'admin',
    remedy: 'Apply it with the set that owns it, or delete that set to release its members.',
  },
  prune_too_large: {
    status: 409,
    plane: 'admin',
    remedy: 'Look at the dry run; add what is missing, or say `?force=true`.',
  },
  duplicate_alias: {
    status: 409,
    plane: 'admin',
    remedy: 'Choose another alias, or remove it from the other route first.',
  },
  master_key_missing: {
    status: 409,
    plane: 'admin',
    remedy: 'Add the former master key to SIGNALBOX_MASTER_KEY_PREVIOUS, or send the value again.',
  },
  secret_shredded: {
    status: 409,
    plane: 'admin',
    remedy: 'Send its value again; or name the resources to roll back, and leave this one out.',
  },
  fallback_cycle: {
    status: 409,
    plane: 'admin',
    remedy: 'Take one of the routes out of the fallbacks; the message names the circle.',
  },
  release_open: {
    status: 409,
    plane: 'admin',
    remedy: 'Promote the release that the message names, or roll it back, and try again.',
  },
  release_ended: {
    status: 409,
    plane: 'admin',
    remedy: 'See GET /releases; a promoted one is undone by POST /rollback to its base.',
  },
  precondition_failed: {
    status: 412,
    plane: 'admin',
    remedy: 'Read the current value, decide again, and send its ETag as If-Match.',
  },
  admin_body_too_large: { status: 413, plane: 'admin', remedy: 'Send a smaller body.' },
  admin_media_type: { status: 415, plane: 'admin', remedy: 'Send content-type application/json.' },
  validation_failed: {
    status: 422,
    plane: 'admin',
    remedy: 'Correct the fields that errors[] names.',
  },
  origin_not_allowed: {
    status: 422,
    plane: 'admin',
    remedy:
      "Let the backend's url have one of the secret's origins, or have an admin add this one.",
  },
  address_not_allowed: {
    status: 422,
    plane: 'admin',
    remedy: "Correct the backend's url, or let its address through by settings.network.allow.",
  },
  does_not_compile: {
    status: 422,
    plane: 'admin',
    remedy: 'Correct the resource so that a proxy can compile it.',
  },
  idempotency_mismatch: {
    status: 422,
    plane: 'admin',
    remedy: 'Use a new Idempotency-Key for another request.',
  },
  admin_rate_limited: {
    status: 429,
    plane: 'admin',
    remedy: 'Try again after retry-after seconds, and call less often.',
  },
  admin_headers_too_large: {
    status: 431,
    plane: 'admin',
    remedy: 'Send fewer or shorter headers, or a shorter URL.',
  },
  internal_error: {
    status: 500,
    plane: 'admin',
    remedy: 'Report it with the request id; the log holds the cause.',
  },
  database_unavailable: {
    status: 503,
    plane: 'admin',
    remedy: 'Try again when the database answers, with an Idempotency-Key to be safe.',
  },
  bus_unavailable: {
    status: 503,
    plane: 'admin',
    remedy: 'Try again when the bus is back; GET /readyz says whether it is connected.',
  },
  write_queue_full: {
    status: 503,
    plane: 'admin',
    remedy: 'Try again after retry-after seconds; nothing was written.',
  },

  malformed_request: {
    status: 400,
    plane: 'proxy',
    remedy: 'Send valid HTTP/1.1 with a JSON object as the body.',
  },
  duplicate_field: { status: 400, plane: 'proxy', remedy: 'Send each top-level field once.' },
  unknown_id: {
    status: 404,
    plane: 'proxy',
    remedy: 'Use an id that this key was given, while its backend is there.',
  },
  upgrade_required: {
    status: 426,
    plane: 'proxy',
    remedy: 'Connect to this path by a WebSocket.',
  },
  missing_model: {
    status: 400,
    plane: 'proxy',
    remedy: 'Name a model in the field "model", or in the header x-signalbox-model.',
  },
  untranslatable: {
    status: 400,
    plane: 'proxy',
    remedy: 'Leave out the field that the message names, or set the policy to translate leniently.',
  },
  missing_key: {
    status: 401,
    plane: 'proxy',
    remedy: 'Send a key: `Authorization: Bearer sbx-...`, or x-api-key, or x-goog-api-key.',
  },
  invalid_key: {
    status: 401,
    plane: 'proxy',
    remedy: 'Ask the operator for a key that is known, enabled and not expired.',
  },
  key_not_allowed: {
    status: 403,
    plane: 'proxy',
    remedy: 'Ask for a model that the key may use (GET /v1/models), or for more routes.',
  },
  budget_exceeded: {
    status: 403,
    plane: 'proxy',
    remedy: 'Wait for the next period, or ask the operator for a larger budget.',
  },
  unknown_path: {
    status: 404,
    plane: 'proxy',
    remedy: 'See docs/api/data-plane.md for the paths that this proxy serves.',
  },
  model_not_found: {
    status: 404,
    plane: 'proxy',
    remedy: 'GET /v1/models lists the models that can be asked for.',
  },
  wrong_method: {
    status: 405,
    plane: 'proxy',
    remedy: 'Use the method that the allow header names.',
  },
  request_timeout: { status: 408, plane: 'proxy', remedy: 'Send the whole request sooner.' },
  request_too_large: {
    status: 413,
    plane: 'proxy',
    remedy:
      'Send a smaller body, or raise SIGNALBOX_BODY_BYTES_MAX (and bodyBytesMax in settings).',
  },
  unsupported_media_type: {
    status: 415,
    plane: 'proxy',
    remedy: 'Send content-type application/json.',
  },
  rate_limited: {
    status: 429,
    plane: 'proxy',
    remedy: 'Try again after retry-after seconds; the message says whose limit it is.',
  },
  headers_too_large: { status: 431, plane: 'proxy', remedy: 'Send fewer or shorter headers.' },
  proxy_error: {
    status: 500,
    plane: 'proxy',
    remedy: 'Report it with the request id; the log holds the cause.',
  },
  upstream_connect_failed: {
    status: 502,
    plane: 'proxy',
    remedy: 'Look at /admin/health; the backend did not accept a connection.',
  },
  upstream_address_refused: {
    status: 502,
    plane: 'proxy',
    remedy: "Correct the backend's url, or let its address through by settings.network.allow.",
  },
  upstream_failed: {
    status: 502,
    plane: 'proxy',
    remedy: 'Try again; the backend broke the connection before it answered.',
  },
  stream_refused: {
    status: 502,
    plane: 'proxy',
    remedy: 'Do what the error event says; the status of the stream had been sent before.',
  },
  stream_cut: {
    status: 502,
    plane: 'proxy',
    remedy: 'Try again; the backend broke off in the middle of its answer.',
  },
  upstream_busy: {
    status: 503,
    plane: 'proxy',
    remedy: 'Try again later; the backends that were asked refused the request.',
  },
  not_ready: {
    status: 503,
    plane: 'proxy',
    remedy: 'Wait until the proxy has its configuration (/readyz says why not).',
  },
  no_backend: {
    status: 503,
    plane: 'proxy',
    remedy: 'Try again after retry-after seconds; no backend for the model is up.',
  },
  backend_full: {
    status: 503,
    plane: 'proxy',
    remedy: 'Try again after retry-after seconds; every backend for the model is busy.',
  },
  overloaded: {
    status: 503,
    plane: 'proxy',
    remedy: 'Try again after retry-after; the proxy has more than it can do.',
  },
  bodies_full: {
    status: 503,
    plane: 'proxy',
    remedy: 'Try again after retry-after seconds; too many large requests are under way.',
  },
  draining: { status: 503, plane: 'proxy', remedy: 'Connect again; this proxy is shutting down.' },
  upstream_timeout: {
    status: 504,
    plane: 'proxy',
    remedy: 'Try again, or raise the timeouts of the policy.',
  },
} as const satisfies Record<string, CodeRow>

export type Code = keyof typeof CODES

type OfPlane<Plane> = {
  [C in Code]: (typeof CODES)[C]['plane'] extends Plane ? C : never
}[Code]
/** Codes of the admin API's problem documents. */
export type RefusalCode = OfPlane<'admin'>
/** Codes of the proxy's own error bodies. */
export type FailureCode = OfPlane<'proxy'>
