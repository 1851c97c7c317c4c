import { type Subjects, subjectsOf } from './subjects.ts'

/*
 * What each role may do on the broker, derived from the subjects themselves.
 *
 * A fleet has two accounts. Permissions alone do not protect a stream: the broker sends its answer
 * to whatever reply subject a request names, with rights of its own. A request that is allowed (a
 * direct get that finds nothing) with `$JS.API.STREAM.DELETE.<stream>` as its reply subject deletes
 * the stream. So members (proxies and probes) live in an account without JetStream that imports the
 * one call they need, the direct get: an answer returns into their account, where there is nothing
 * to delete. For the same reason they may make no consumers: those deliver inside the stream's
 * account.
 */

export type BusRole = 'admin-api' | 'proxy' | 'health-probe'

const MEMBERS: readonly BusRole[] = ['proxy', 'health-probe']

interface Lane {
  /** `broker`: the stream repeats there what it has stored. */
  readonly says: readonly (BusRole | 'broker')[]
  readonly hears: readonly BusRole[]
  /** Each message is a request, which who hears it answers. */
  readonly answered?: true
}

/** The subjects that carry messages: of Subjects, what is a string and not another name. */
type LaneName = Exclude<
  { [Name in keyof Subjects]: Subjects[Name] extends string ? Name : never }[keyof Subjects],
  'stream' | 'snapshotBucket' | 'usageQueue'
>

/** A subject without a row here does not compile. */
const LANES: Readonly<Record<LaneName, Lane>> = {
  revisions: { says: ['admin-api'], hears: [] },
  live: { says: ['broker'], hears: ['admin-api', ...MEMBERS] },
  beacon: { says: ['admin-api'], hears: MEMBERS },
  heartbeats: { says: MEMBERS, hears: ['admin-api'] },
  statuses: { says: ['health-probe'], hears: ['admin-api', ...MEMBERS] },
  leases: { says: ['proxy'], hears: ['proxy'] },
  spending: { says: ['admin-api'], hears: ['proxy'] },
  ask: { says: ['admin-api', 'proxy'], hears: MEMBERS },
  usage: { says: ['proxy'], hears: ['admin-api'], answered: true },
}

/** Calls of the JetStream API that publish, and those that read, on the stream and the bucket. */
const CALLS = {
  publish: {
    stream: ['STREAM.INFO', 'STREAM.CREATE', 'STREAM.DELETE', 'STREAM.MSG.GET'],
    // Reads, too: a snapshot is made of the one before.
    bucket: [
      'STREAM.INFO',
      'STREAM.CREATE',
      'STREAM.DELETE',
      'STREAM.PURGE',
      'STREAM.MSG.GET',
      'DIRECT.GET',
    ],
  },
  read: { stream: ['DIRECT.GET'], bucket: ['DIRECT.GET'] },
} as const

/** Where answers to requests arrive. */
const INBOXES = '_INBOX.>'

export interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** What one role may say and hear; everything else is refused. */
export function permissionsOf(fleet: string, role: BusRole): Permissions {
  const subjects = subjectsOf(fleet)
  const lanes = lanesOf(subjects)
  const own = role === 'admin-api' ? bucketSubjects(subjects) : []
  return {
    publish: [
      ...lanes.filter(({ says }) => says.includes(role)).map(({ subject }) => subject),
      ...callsOf(subjects, role === 'admin-api' ? 'publish' : 'read'),
      ...own,
    ],
    subscribe: [
      ...lanes.filter(({ hears }) => hears.includes(role)).map(({ subject }) => subject),
      INBOXES,
    ],
  }
}

/**
 * The two accounts of a fleet as nats-server's configuration has them. Each password is a file of
 * its own beside it, passwords/<user>.conf: `password: "..."`.
 */
export function renderNatsAccounts(fleet: string): string {
  const subjects = subjectsOf(fleet)
  const lanes = lanesOf(subjects)
  const isMember = (role: string) => MEMBERS.some((member) => member === role)
  const down = lanes.filter(
    ({ says, hears }) => says.some((role) => !isMember(role)) && hears.some(isMember),
  )
  const up = lanes.filter(({ says, hears }) => says.some(isMember) && hears.includes('admin-api'))
  const told = up.filter(({ answered }) => !answered)
  // A request crosses the other way round: who answers it exports it.
  const asked = up.filter(({ answered }) => answered).map(({ subject }) => subject)
  const control = accountName(fleet, 'CONTROL')
  const members = accountName(fleet, 'MEMBERS')
  const calls = [...callsOf(subjects, 'read'), ...asked]
  const lines = [
    `# The fleet "${fleet}". Made by \`npm run --silent nats-accounts -- ${fleet}\`: do not edit.`,
    ...account(control, [
      'jetstream: enabled',
      ...users(fleet, ['admin-api']),
      ...list('exports', [
        ...down.map(({ subject }) => `{ stream: "${subject}", accounts: [${members}] }`),
        ...calls.map((call) => `{ service: "${call}", accounts: [${members}] }`),
      ]),
      ...list('imports', told.map(imported('stream', members))),
    ]),
    ...account(members, [
      ...users(fleet, MEMBERS),
      ...list(
        'exports',
        told.map(({ subject }) => `{ stream: "${subject}", accounts: [${control}] }`),
      ),
      ...list('imports', [
        ...down.map(imported('stream', control)),
        ...calls.map((subject) => imported('service', control)({ subject })),
      ]),
    ]),
  ]
  return `${lines.join('\n')}\n`
}

const imported =
  (what: 'stream' | 'service', from: string) =>
  ({ subject }: { readonly subject: string }) =>
    `{ ${what}: { account: ${from}, subject: "${subject}" } }`

function lanesOf(subjects: Subjects) {
  return Object.entries(LANES).map(([name, lane]) => ({
    ...lane,
    subject: subjects[name as LaneName],
  }))
}

function callsOf({ stream, snapshotBucket }: Subjects, how: keyof typeof CALLS): string[] {
  const { stream: onStream, bucket: onBucket } = CALLS[how]
  return [
    ...onStream.map((call) => `$JS.API.${call}.${stream}`),
    ...onBucket.map((call) => `$JS.API.${call}.OBJ_${snapshotBucket}`),
  ]
}

/** Chunks and descriptions of objects, as NATS names them. */
function bucketSubjects({ snapshotBucket }: Subjects): string[] {
  return [`$O.${snapshotBucket}.C.*`, `$O.${snapshotBucket}.M.*`]
}

function accountName(fleet: string, part: string): string {
  return `SB_${fleet.toUpperCase()}_${part}`
}

function account(name: string, lines: readonly string[]): string[] {
  return [`${name}: {`, ...lines.map((line) => `  ${line}`), '}']
}

function users(fleet: string, roles: readonly BusRole[]): string[] {
  return list(
    'users',
    roles.flatMap((role) => {
      const { publish, subscribe } = permissionsOf(fleet, role)
      return [
        '{',
        `  user: "${fleet}-${role}"`,
        `  include "passwords/${fleet}-${role}.conf"`,
        '  permissions: {',
        ...list('publish', publish.map(quoted)).map((line) => `    ${line}`),
        ...list('subscribe', subscribe.map(quoted)).map((line) => `    ${line}`),
        // Once, to who asked, wherever its answer is to go.
        ...(answersOf(role) ? ['    allow_responses: { max: 1, expires: "10s" }'] : []),
        '  }',
        '}',
      ]
    }),
  )
}

function answersOf(role: BusRole): boolean {
  return Object.values(LANES).some(({ hears, answered }) => answered && hears.includes(role))
}

function list(name: string, items: readonly string[]): string[] {
  return [`${name}: [`, ...items.map((item) => `  ${item}`), ']']
}

function quoted(text: string): string {
  return `"${text}"`
}
