/** Every name on the broker that belongs to one fleet. Nobody else knows them. */
export interface Subjects {
  readonly stream: string
  readonly snapshotBucket: string
  /** What the stream stores. */
  readonly revisions: string
  readonly revision: (revision: number) => string
  /** Where the stream repeats what it has stored. */
  readonly live: string
  readonly republish: { readonly src: string; readonly dest: string }
  readonly beacon: string
  readonly heartbeats: string
  readonly heartbeat: (id: string) => string
  readonly statuses: string
  readonly status: (observer: string) => string
  /** Between data planes. */
  readonly leases: string
  readonly spending: string
  readonly ask: string
  /** Batches of records, a request each; the queue group shares them out. */
  readonly usage: string
  readonly usageQueue: string
}

/** `fleet` is lower-case letters, digits and hyphens, as SIGNALBOX_FLEET demands. */
export function subjectsOf(fleet: string): Subjects {
  const prefix = `sb.${fleet}`
  const names = `SB_${fleet.toUpperCase()}`
  return {
    stream: `${names}_CONFIG`,
    snapshotBucket: `${names}_SNAPSHOT`,
    revisions: `${prefix}.config.revision.*`,
    revision: (revision) => `${prefix}.config.revision.${revision}`,
    live: `${prefix}.config.live.*`,
    republish: { src: `${prefix}.config.revision.>`, dest: `${prefix}.config.live.>` },
    beacon: `${prefix}.config.head`,
    heartbeats: `${prefix}.proxy.*.ack`,
    heartbeat: (id) => `${prefix}.proxy.${token(id)}.ack`,
    statuses: `${prefix}.status.*`,
    status: (observer) => `${prefix}.status.${token(observer)}`,
    leases: `${prefix}.leases`,
    spending: `${prefix}.spending`,
    ask: `${prefix}.ask`,
    usage: `${prefix}.usage`,
    usageQueue: 'store',
  }
}

/** A name as one token of a subject: dots, blanks and wildcards in it would change its meaning. */
function token(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9_-]/g, (char) => `=${char.codePointAt(0)?.toString(16)}`)
  return safe === '' ? '=' : safe
}
