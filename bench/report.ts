import { type Figure, missed, type Run } from './figure.ts'

/** How much worse than its baseline a figure may be. */
export const LOSS_MAX = 0.1

export interface Loss {
  readonly name: string
  readonly before: number
  readonly now: number
  /** 0.2: a fifth worse. */
  readonly loss: number
}

/** The figures that are worse than in the baseline by more than LOSS_MAX. */
export function lossesSince(now: Run, before: Run): readonly Loss[] {
  const old = new Map(before.figures.map((figure) => [figure.name, figure]))
  return now.figures.flatMap((figure) => {
    const value = old.get(figure.name)?.value
    if (value === undefined) return []
    const loss = lossOf(figure, value)
    return loss > LOSS_MAX ? [{ name: figure.name, before: value, now: figure.value, loss }] : []
  })
}

function lossOf({ value, better }: Figure, before: number): number {
  if (value === before) return 0
  const loss = better === 'less' ? (value - before) / before : (before - value) / before
  return Number.isNaN(loss) ? 1 : loss
}

export function markdownOf({ suite, machine, figures }: Run, before?: Run): string {
  const { at, cpu, cores, memoryGb, node, commit, load } = machine
  const old = new Map(before?.figures.map((figure) => [figure.name, figure.value]))
  const rows = figures.map((figure) => {
    const promise = missed(figure) ? `${wantedOf(figure)}, FAIL` : wantedOf(figure)
    const was = old.get(figure.name)
    const cells = [figure.name, shown(figure.value, figure.unit), promise]
    return `| ${[...cells, was === undefined ? '' : shown(was, figure.unit)].join(' | ')} |`
  })
  return [
    `# ${suite}`,
    '',
    `${at}, commit ${commit}, Node ${node}, ${cores} cores (${cpu}), ${memoryGb} GB, load ${load}`,
    '',
    `| figure | measured | promised | baseline |`,
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function wantedOf({ most, least, unit }: Figure): string {
  if (most !== undefined) return `≤ ${shown(most, unit)}`
  return least === undefined ? '' : `≥ ${shown(least, unit)}`
}

const ROW = 24
const LABELS = 340
const BARS = 300

/** Each figure as a bar, measured against what was promised (the line), or by itself. */
export function svgOf({ suite, figures }: Run): string {
  const rows = figures.map((figure, index) => {
    const y = ROW * (index + 1)
    const whole = (figure.most ?? figure.least ?? figure.value) || 1
    const width = Math.min(BARS, (figure.value / whole) * (BARS / 2))
    const label = `${figure.name}: ${shown(figure.value, figure.unit)}`
    return (
      `<text x="8" y="${y + 16}">${label.replaceAll('<', '&lt;')}</text>` +
      `<rect x="${LABELS}" y="${y + 5}" width="${(width || 0).toFixed(1)}" height="14" ` +
      `fill="${missed(figure) ? '#c0392b' : '#2e7d6b'}"/>`
    )
  })
  const height = ROW * (figures.length + 2)
  const line = LABELS + BARS / 2
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LABELS + BARS + 16}" height="${height}"`,
    ` font-family="sans-serif" font-size="12"><text x="8" y="16">${suite}</text>`,
    ...rows,
    `<path d="M${line} ${ROW}V${height - ROW}" stroke="#888" stroke-dasharray="3"/></svg>\n`,
  ].join('')
}

export function shown(value: number, unit: string): string {
  const digits = value >= 100 || Number.isInteger(value) ? 0 : 2
  return `${value.toFixed(digits)}${unit === '' ? '' : ` ${unit}`}`
}
