// What may go wrong, drawn from a seed. Each fault has an end; what it is done to is left alone by
// the others meanwhile. One proxy and one backend are always left.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Fleet } from './fleet.ts'
import { type Part } from './parts.ts'

export interface Fault {
  readonly name: string
  /** What it is done to. */
  readonly target: string
  begin(): Promise<void>
  end(): Promise<void>
}

export type Random = () => number

export const pick = <One>(random: Random, all: readonly One[]): One => {
  const one = all[Math.floor(random() * all.length)]
  if (one === undefined) throw new Error('nothing to pick')
  return one
}

const CLOCK_JUMPS_MS = [-3_600_000, -5_000, 5_000, 86_400_000]

/** One that may begin now; undefined where everything that could be drawn must be left alone. */
export function drawFault(
  fleet: Fleet,
  random: Random,
  taken: ReadonlySet<string>,
): Fault | undefined {
  const free = ({ target }: Fault) => !taken.has(target)
  const spared = (part: Part) => part.kind === 'proxy' || part.kind === 'backend'
  const left = ({ kind }: Part) => fleet.of(kind).filter(({ name }) => !taken.has(name)).length > 1
  const able = fleet.parts.filter((part) => !spared(part) || left(part))
  const all = [
    ...able.flatMap((part) => [killed(part), stopped(part)]),
    ...able.filter(({ kind }) => kind !== 'backend').map((part) => jumped(part, random)),
    ...able.filter(({ kind }) => kind === 'proxy').flatMap((part) => ofDisk(fleet, part, random)),
    ...ofBroker(fleet),
    ...ofDatabase(fleet),
  ].filter(free)
  if (all.length === 0) return undefined
  // First what, then to whom: else half of all faults were of proxies.
  const name = pick(random, [...new Set(all.map((fault) => fault.name))].sort())
  return pick(
    random,
    all.filter((fault) => fault.name === name),
  )
}

function killed(part: Part): Fault {
  return {
    ...{ name: `kill ${part.kind}`, target: part.name },
    begin: () => part.kill(),
    end: async () => part.start(),
  }
}

function stopped(part: Part): Fault {
  return {
    ...{ name: `stop ${part.kind}`, target: part.name },
    begin: async () => part.stop(),
    end: async () => part.goOn(),
  }
}

function jumped(part: Part, random: Random): Fault {
  const byMs = pick(random, CLOCK_JUMPS_MS)
  return {
    ...{ name: `clock of ${part.kind}`, target: part.name },
    begin: async () => part.tell('clock', String(byMs)),
    end: async () => part.tell('clock', null),
  }
}

function ofDisk(fleet: Fleet, part: Part, random: Random): readonly Fault[] {
  const all = random() < 0.5
  return [
    {
      ...{ name: 'disk full', target: part.name },
      begin: async () => part.tell('full', ''),
      end: async () => part.tell('full', null),
    },
    {
      ...{ name: all ? 'disk copies damaged' : 'disk copy damaged', target: part.name },
      begin: async () => {
        await part.kill()
        damage(fleet.diskOf(part), all)
      },
      end: async () => part.start(),
    },
  ]
}

/** Cuts off one file of the disk copy, or all of them, in the middle. */
function damage(folder: string, all: boolean): void {
  if (!existsSync(folder)) return
  const files = readdirSync(folder).filter((name) => name.startsWith('snapshot'))
  for (const name of files.slice(0, all ? files.length : 1)) {
    const path = join(folder, name)
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.subarray(0, bytes.length / 2))
  }
}

function ofBroker({ nats }: Fleet): readonly Fault[] {
  const target = 'nats'
  return [
    {
      ...{ name: 'nats away', target },
      begin: () => nats.kill(),
      end: () => nats.restart(),
    },
    {
      ...{ name: 'nats wiped', target },
      begin: () => nats.kill(),
      end: () => nats.restart({ wipe: true }),
    },
  ]
}

function ofDatabase({ postgres }: Fleet): readonly Fault[] {
  const target = 'postgres'
  return [
    {
      ...{ name: 'postgres away', target },
      begin: () => postgres.kill(),
      end: () => postgres.restart(),
    },
    {
      ...{ name: 'postgres stopped', target },
      begin: () => postgres.freeze(),
      end: async () => postgres.thaw(),
    },
  ]
}
