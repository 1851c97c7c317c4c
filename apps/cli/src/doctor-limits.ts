import { type Check } from './doctor.ts'

const OPEN_FILES_MIN = 65_536
const SOMAXCONN_MIN = 4_096

/** Advice for a machine on which a proxy runs; null where there is nothing to read. */
export function adviseLimits({
  limits,
  somaxconn,
}: {
  readonly limits: string | null
  readonly somaxconn: string | null
}): readonly Check[] {
  const files = /^Max open files\s+(\d+|unlimited)\s/m.exec(limits ?? '')?.[1]
  const backlog = /^\s*(\d+)\s*$/.exec(somaxconn ?? '')?.[1]
  return [
    ...advise(files, {
      name: 'open files',
      least: OPEN_FILES_MIN,
      remedy: 'If a proxy runs here: ulimit -n 65536, or LimitNOFILE=65536 in its systemd unit.',
    }),
    ...advise(backlog, {
      name: 'somaxconn',
      least: SOMAXCONN_MIN,
      remedy: 'If a proxy runs here: sysctl -w net.core.somaxconn=4096.',
    }),
  ]
}

function advise(
  found: string | undefined,
  {
    name,
    least,
    remedy,
  }: { readonly name: string; readonly least: number; readonly remedy: string },
): readonly Check[] {
  if (found === undefined) return []
  const enough = found === 'unlimited' || Number(found) >= least
  if (enough) return [{ name, state: 'ok', detail: `${found} here` }]
  return [{ name, state: 'warn', detail: `${found} here; many connections need ${least}`, remedy }]
}
