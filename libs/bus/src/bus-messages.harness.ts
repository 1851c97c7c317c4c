import { type Heartbeat, type LeaseReport, type StatusTable } from '@signalbox/model'

export const HEARTBEAT: Heartbeat = {
  id: 'proxy.1 *>',
  role: 'proxy',
  labels: { zone: 'a' },
  version: 'dev',
  lineage: 'lineage-1',
  epoch: 1,
  received: 3,
  active: 3,
  state: 'live',
  nacks: [{ revision: 2, resource: 'backend', id: 'b', code: 'c', message: 'm' }],
  load: { requestsTotal: 1, inFlight: 0, rssBytes: 1 },
  sentAtMs: 1,
}

export const STATUSES: StatusTable = {
  observer: 'probe 1',
  statuses: [
    {
      backend: 'b',
      health: 'warming_up',
      sinceMs: 1,
      checkedAtMs: 2,
      latencyMs: null,
      error: 'answered 503',
      models: ['m'],
      revision: 1,
      observer: 'probe 1',
    },
  ],
}

export const LEASES: LeaseReport = {
  v: 1,
  from: 'p1/boot',
  lines: [['key:k1', 0, 12, 3, 2.5, 48, 60]],
}
