import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type Figure, missed, quantile, type Run } from '../bench/figure.ts'
import { lossesSince, markdownOf, svgOf } from '../bench/report.ts'
import { slopeOf } from '../bench/soak.ts'

const root = join(import.meta.dirname, '..')
const machine = {
  at: '2026-01-01T00:00:00.000Z',
  cpu: 'a cpu',
  cores: 2,
  memoryGb: 24,
  node: 'v24',
  commit: 'abc',
  load: 0.5,
}
const runOf = (...figures: Figure[]): Run => ({ suite: 'smoke', machine, figures })
const less = (value: number): Figure => ({ name: 'time', value, unit: 'ms', better: 'less' })
const more = (value: number): Figure => ({ name: 'rate', value, unit: '', better: 'more' })

describe('a run against its baseline', () => {
  it.each([
    ['slower by a fifth', less(120), less(100), 0.2],
    ['a fifth fewer', more(80), more(100), 0.2],
    ['failures where there were none', less(1), less(0), Infinity],
    ['not measured any more', less(NaN), less(100), 1],
  ])('is a loss: %s', (_, now, before, loss) => {
    expect(lossesSince(runOf(now), runOf(before))).toEqual([
      expect.objectContaining({ name: now.name, loss: expect.closeTo(loss) }),
    ])
  })

  it.each([
    ['slower by less than a tenth', less(109), less(100)],
    ['faster', less(50), less(100)],
    ['more', more(200), more(100)],
    ['none as before', less(0), less(0)],
    ['new', less(100), more(1)],
  ])('is no loss: %s', (_, now, before) => {
    expect(lossesSince(runOf(now), runOf(before))).toEqual([])
  })
})

it('memory that grows has the slope that it grows by, whatever is added to it', () => {
  const at = (n: number, rssBytes: number) => ({ atMs: n * 1_000, rssBytes })
  const grows = Array.from({ length: 60 }, (_, n) => at(n, 5e7 + 3_000 * n + (n % 2) * 10))
  expect(slopeOf(grows)).toBeCloseTo(3, 2)
  expect(slopeOf(grows.map(({ atMs }) => ({ atMs, rssBytes: 7 })))).toBe(0)
})

describe('a report', () => {
  it('says what was measured, promised, and before', () => {
    const promised = runOf({ ...less(120), most: 100 })
    expect(markdownOf(promised, runOf(less(90)))).toContain(
      '| time | 120 ms | ≤ 100 ms, FAIL | 90 ms |',
    )
    expect(svgOf(promised)).toContain('#c0392b')
    expect(svgOf(runOf({ ...less(80), most: 100 }))).not.toContain('#c0392b')
  })

  it('counts as missed what is beyond its promise, and what could not be measured', () => {
    const figures = [101, 100, NaN].map((value) => ({ ...less(value), most: 100 }))
    expect(figures.map(missed)).toEqual([true, false, true])
    expect([99, 100, NaN].map((value) => missed({ ...more(value), least: 100 }))).toEqual([
      true,
      false,
      true,
    ])
    expect(missed(less(NaN))).toBe(false)
  })

  it('takes quantiles by the nearest rank', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index)
    expect(quantile(values, 0.99)).toBe(198)
    expect(quantile([7], 0.5)).toBe(7)
    expect(quantile([], 0.5)).toBeNaN()
  })
})

describe('the command', () => {
  it('measures a control plane, here one of toy size, and keeps every promise but time', () => {
    const sizes = ['--backends', '40', '--keys', '100', '--revisions', '60']
    const options = { cwd: root, encoding: 'utf8' } as const
    const args = ['bench/run.ts', 'control', ...sizes]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
    expect(stderr).not.toMatch(/broken|not measured/)
    // A busy machine may miss a promise of time, and is told so: in words, and by the exit code.
    const failed = [...stdout.matchAll(/^\| (.*?) \| .*, FAIL \|/gm)].map(([, name]) => name)
    const told = [...stderr.matchAll(/^promise missed: (.*), /gm)].map(([, name]) => name)
    expect({ told, status, stderr }).toEqual({
      told: failed,
      status: failed.length > 0 ? 1 : 0,
      stderr,
    })
    expect(stdout).toMatch(/\| deep as-of read, p99 \| [0-9.]+ ms \|/)
    expect(stdout).toMatch(/\| resources in the log \| 180 \|/)
    expect(stdout).toMatch(/\| revisions beside it \| 60 \|/)
    expect(stdout).toMatch(/\| gaps and forks \| 0 \| ≤ 0 \|/)
    expect(stdout).toMatch(/\| single write, p99 \| [0-9.]+ ms \|/)
  })

  it.each([
    [['control', '--keys', 'many'], /--keys is "many", no size/],
    [['nope'], /there is no suite nope; one of smoke, control, /],
    [['--baseline', '../x'], /is no name/],
    [['smoke', '--baseline', 'never-saved'], /there is no baseline never-saved of smoke/],
    [['--save-baseline', 'a', '--baseline', 'b'], /save a baseline, or compare/],
    [['--fast'], /Unknown option '--fast'/],
  ])('refuses %j before it measures anything', (args, message) => {
    const options = { cwd: root, encoding: 'utf8' } as const
    const { status, stderr } = spawnSync(process.execPath, ['bench/run.ts', ...args], options)
    expect(status).toBe(2)
    expect(stderr).toMatch(message)
  })
})
