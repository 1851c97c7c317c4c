import * as z from 'zod'
import { durationMs, labels, strict } from './fields.ts'
// Types alone: resource.ts imports this file.
import type { Resource, ResourceName } from './resource.ts'

/** The kinds that a release stages. */
export const STAGED = ['backend', 'route', 'policy', 'set'] as const satisfies ResourceName[]
export type StagedName = (typeof STAGED)[number]

const STAGES_MAX = 10
export const STAGED_CHANGES_MAX = 1_000
/** Places of proxies are whole numbers below it. */
export const PLACES = 2 ** 32

const stageShape = {
  /** Of the proxies that are live when the stage begins. After the last stage come all. */
  percent: z.int().min(1).max(99).optional(),
  /** Proxies with all of these labels. */
  labels: labels.optional(),
  /** How long it must do well before the next stage. */
  bake: durationMs.default(60_000),
}
const ONE_WAY = 'expected percent (1 to 99) or labels, and not both'
const stage = strict(stageShape).refine(saysOneWay, ONE_WAY)

function saysOneWay(one: { percent?: unknown; labels?: object | undefined }): boolean {
  const named = Object.keys(one.labels ?? {}).length > 0
  return (one.percent !== undefined) !== named
}

export const guardSpec = strict({
  /** How much larger the cohort's share of failed requests may be: 0.01 is one in a hundred. */
  maxErrorRateIncrease: z.number().min(0).max(1).default(0.01),
  /** The same of its share of slow requests: slower than 95 in 100 of the others. Not said: any. */
  maxSlowRateIncrease: z.number().min(0).max(1).optional(),
  /** Requests of the cohort, and as many of the others, before a stage can be found good. */
  minRequests: z.int().min(1).max(1_000_000).default(100),
})
export type Guard = Readonly<z.output<typeof guardSpec>>

/** What whoever starts a release says of it. */
export const releasePlan = strict({
  stages: z
    .array(stage)
    .min(1)
    .max(STAGES_MAX)
    .refine(widens, 'expected stages of which each has a larger percent than the ones before')
    .default([
      { percent: 10, bake: 60_000 },
      { percent: 50, bake: 60_000 },
    ]),
  guard: guardSpec.default(guardSpec.parse({})),
})
export type ReleasePlan = Readonly<z.output<typeof releasePlan>>

function widens(stages: readonly { percent?: number | undefined }[]): boolean {
  const percents = stages.flatMap(({ percent }) => percent ?? [])
  return percents.every((percent, index) => index === 0 || percent > (percents[index - 1] ?? 0))
}

export const RELEASE_STATES = ['open', 'promoted', 'rolled-back'] as const

export const releaseId = z.string().regex(/^release-\d{1,15}$/, 'expected release-<revision>')
export const releaseSpec = strict({
  state: z.enum(RELEASE_STATES),
  /** The revision before the staged one, which is the next. */
  base: z.int().min(0),
  stages: z
    .array(
      strict({
        ...stageShape,
        /** Places of the cohort are below it: known once the stage has begun. */
        below: z.int().min(0).max(PLACES).optional(),
      }).refine(saysOneWay, ONE_WAY),
    )
    .min(1)
    .max(STAGES_MAX),
  guard: guardSpec,
  /** Index of the stage that it has come to. */
  stage: z.int().min(0),
  /** When that began. RFC 3339, UTC. */
  stageAt: z.string().max(40),
  actor: z.string().max(200),
  reason: z.string().max(2_000).optional(),
  changes: z
    .array(
      strict({
        resource: z.enum(STAGED),
        id: z.string().max(255),
        /** The resource that it replaced, null where there was none; gone once it has ended. */
        before: z.custom<Resource | null>((value) => typeof value === 'object').optional(),
      }),
    )
    .max(STAGED_CHANGES_MAX),
  /** Why it ended as it did. */
  why: z.string().max(2_000).optional(),
})
export type ReleaseSpec = Readonly<z.output<typeof releaseSpec>>
export type Release = Resource<'release'>
