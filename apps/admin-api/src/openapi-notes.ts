import { AT, type Note, REVISION, SAMPLES, shown } from './openapi-examples.ts'
import { type Json } from './openapi-kit.ts'
import { RELEASE_NOTES } from './openapi-releases.ts'
import { USAGE_NOTES } from './openapi-usage-notes.ts'

const HASH = '569b8c84e0136def7958807ba0d2a79ecfe765fe2c385e5519ca960cac8a041c'
const PREVIOUS = 'b7a56873cd771f2c446d369b649430b65a756ba278ff97ec81bb6f55b2e73569'
const { spec: before } = shown('backend')
const after = { ...(before as Json), enabled: false }
const change = {
  resource: 'backend',
  id: SAMPLES.backend.id,
  op: 'updated',
  before,
  after,
  patch: [{ op: 'replace', path: '/enabled', value: false }],
}
const created = {
  resource: 'backend',
  id: SAMPLES.backend.id,
  op: 'created',
  before: null,
  after: before,
}
const changed = { revision: REVISION, changes: [change] }
const revision = {
  revision: REVISION,
  at: AT,
  actor: 'ci',
  role: 'operator',
  source: 'api',
  reason: 'its host is taken out of service',
  requestId: 'a1f6d2c0-3',
  changeRef: 'OPS-1204',
  address: '10.0.4.7',
  undoes: null,
  hash: HASH,
  previousHash: PREVIOUS,
  changes: [change],
}
const route = { id: 'chat', found: 'alias', policy: 'careful', strategy: 'LeastLatency' }
const candidate = {
  route: 'chat',
  tier: 0,
  backend: SAMPLES.backend.id,
  model: 'llama-3.3-70b',
  weight: 3,
  share: 1,
  reason: 'picked',
}
const member = {
  id: 'proxy-1',
  role: 'proxy',
  labels: { zone: 'eu-1' },
  version: '0.1.0',
  received: REVISION,
  active: REVISION,
  state: 'live',
  nacks: [],
  load: null,
  live: true,
  lag: 0,
  lastSeenAt: AT,
}
const status = {
  backend: SAMPLES.backend.id,
  health: 'ready',
  since: AT,
  checkedAt: AT,
  latencyMs: 3,
  error: null,
  models: ['llama-3.3-70b'],
  observer: 'probe-1',
}
const observation = {
  observer: 'probe-1',
  health: 'ready',
  checkedAt: AT,
  latencyMs: 3,
  error: null,
  revision: 3,
  counts: true,
}
const observed = { ...status, observers: [observation] }
const sealedStatus = {
  key: '7b632f6e',
  previousKeys: [],
  keys: [{ key: '7b632f6e', state: 'current', secrets: 1, backends: 1 }],
  remaining: 0,
  missing: [],
}
const YAML = `backends:
  vllm-a:
    kind: vllm
    url: http://127.0.0.1:8000
    models: [llama-3.3-70b]
`
const LINEAGE = '70f48362-90da-4a9e-8db9-04d99e22dfc8'
const ORIGIN = `signalbox/default/${LINEAGE}`
const NOTE = `${ORIGIN}
7
VpuMhOATvXlYtge6LUp+z+dlwv44XlUZypYMrKwEHM=
epoch 1

\u2014 ${ORIGIN} 3q2+7x4f...
`

const EXPORT = [
  { kind: 'log', v: 1, fleet: 'default', lineage: LINEAGE, key: 'signalbox/default+3q2+7x4f...' },
  { kind: 'revision', lineage: LINEAGE, epoch: 1, revision: 1, hash: PREVIOUS, body: '{...}' },
  { kind: 'checkpoint', note: NOTE },
]
  .map((line) => `${JSON.stringify(line)}\n`)
  .join('')

/** What is said of the calls beside those of the resources. */
export const OTHER_NOTES: Readonly<Record<string, Note>> = {
  change: {
    summary: 'Several operations as one revision, all or nothing',
    request: {
      reason: 'the host of vllm-a is taken out of service',
      operations: [
        { op: 'patch', resource: 'backend', id: 'vllm-a', spec: { enabled: false } },
        { op: 'put', resource: 'policy', id: 'careful', spec: { strategy: 'RoundRobin' } },
      ],
    },
    answer: changed,
  },
  get_config: {
    summary: 'Reads the whole desired state, now or as of a revision',
    answer: {
      backends: { [SAMPLES.backend.id]: before },
      routes: { [SAMPLES.route.id]: shown('route')['spec'] },
      policies: { [SAMPLES.policy.id]: shown('policy')['spec'] },
      settings: {},
      secrets: { [SAMPLES.secret.id]: shown('secret')['spec'] },
    },
    texts: { 'application/yaml': YAML },
  },
  apply_config: {
    summary: 'Makes the desired state what a document says, in one revision',
    request: { backends: { 'vllm-b': { kind: 'vllm', url: 'http://127.0.0.1:8001' } } },
    answer: { revision: REVISION, changes: [{ ...created, id: 'vllm-b' }] },
    sent: { 'application/yaml': YAML },
  },
  get_secrets_status: {
    summary: 'Which master key what is sealed is under',
    answer: { ...sealedStatus, answersRemaining: 0 },
  },
  rewrap_secrets: {
    summary: 'Seals anew what is under a former master key, as much as one revision may hold',
    answer: { revision: REVISION, resealed: 0, ...sealedStatus },
  },
  explain: {
    summary: 'Says who would take a request, and why nobody else',
    request: { model: 'gpt-4o' },
    answer: {
      model: 'gpt-4o',
      revision: REVISION,
      outcome: 'picked',
      picked: candidate,
      route,
      fallback: null,
      candidates: [candidate],
    },
  },
  diff: {
    summary: 'What leads from one revision to another',
    answer: { from: 1, to: REVISION, changes: [change] },
  },
  rollback: {
    summary: 'Brings back the state after a revision, as a new revision',
    request: { toRevision: 1, reason: 'the new backend answers nonsense' },
    answer: changed,
  },
  begin_epoch: {
    summary: 'Begins a new epoch of the log: after a restore that nobody notices by itself',
    request: { reason: 'restored the backup of Monday' },
    answer: { epoch: 2, revision: REVISION },
  },
  list_revisions: {
    summary: 'Who changed what, when and why, newest first',
    answer: { items: [revision], nextCursor: String(REVISION), revision: REVISION },
  },
  get_revision: {
    summary: 'One revision, with what was before and after',
    answer: { ...revision, revision: 1, previousHash: '0'.repeat(64), changes: [created] },
  },
  verify_audit: {
    summary: 'Whether the log is whole: chain, index, state and checkpoints',
    answer: { ok: true, revision: REVISION, hash: HASH, problems: [], checkpoints: 2 },
  },
  get_checkpoint: {
    summary: 'The end of the log, signed; keep it somewhere else',
    answer: { note: NOTE, key: 'MCowBQYDK2VwAyEA...', hash: HASH, revision: REVISION, epoch: 1 },
  },
  export_audit: {
    summary: 'The whole log, line by line, to be verified offline',
    texts: {
      'application/x-ndjson': EXPORT,
    },
  },
  get_snapshot: {
    summary: 'What a proxy without a network starts from: see signalbox snapshot export',
    answer: {
      ...{ lineage: LINEAGE, epoch: 1, revision: REVISION, hash: HASH },
      manifest: { text: '{"manifest":1,...}', signature: '3q2-7x4f...' },
    },
  },
  get_snapshot_chunk: { summary: 'A part of a snapshot, by its hash' },
  list_denials: {
    summary: 'Who was refused what',
    answer: {
      items: [
        {
          id: 12,
          at: AT,
          method: 'DELETE',
          path: '/admin/v1/backends/vllm-a',
          status: 403,
          code: 'forbidden',
          actor: 'viewer',
          role: 'viewer',
          address: '10.0.4.7',
          requestId: 'a1f6d2c0-4',
        },
      ],
      nextCursor: null,
    },
  },
  list_last_uses: {
    summary: 'When each principal was last seen',
    answer: { items: [{ principal: 'ci', at: AT }], nextCursor: null },
  },
  get_session: {
    summary: 'Who calls, and until when',
    answer: { actor: 'ci', role: 'operator', expiresAt: null },
  },
  begin_session: {
    summary: 'Begins a session of the console',
    answer: { actor: 'ci', role: 'operator', expiresAt: AT },
  },
  end_session: { summary: 'Ends the session of the console' },
  get_fleet: {
    summary: 'Every proxy and probe, and what it runs',
    answer: {
      head: { lineage: LINEAGE, epoch: 1, revision: REVISION },
      live: 1,
      applied: 1,
      convergence: {
        revision: REVISION,
        acked: 1,
        pending: 0,
        nacked: 0,
        committedAt: AT,
        p50Ms: 6,
        p99Ms: 9,
        measured: 1,
        laggards: [],
      },
      members: [member],
      nextCursor: null,
    },
  },
  get_status: {
    summary: 'What probes say of every backend',
    answer: { items: [observed], nextCursor: null, revision: REVISION },
  },
  get_status_of: {
    summary: 'What probes say of one backend',
    answer: observed,
  },
  get_status_history: {
    summary: 'When a backend went down or came back, and who said so',
    answer: {
      items: [
        {
          id: 7,
          backend: SAMPLES.backend.id,
          health: 'down',
          since: AT,
          at: AT,
          error: 'connection refused',
          observers: ['probe-1', 'probe-2'],
        },
      ],
      nextCursor: null,
    },
  },
  ...USAGE_NOTES,
  ...RELEASE_NOTES,
  stream_events: {
    summary: 'Revisions, members, statuses and releases as they come',
    texts: { 'text/event-stream': `event: revision\ndata: {"revision":${REVISION}}\n\n` },
  },
}
