import * as z from 'zod'
import { labels, modelName, resourceId, strict, weight } from './fields.ts'

const target = strict({
  backend: resourceId.optional(),
  labels: labels.optional(),
  /** The name this target's backends know the model by; the route's own name where absent. */
  model: modelName.optional(),
  weight: weight.default(1),
}).refine(
  (t) => (t.backend === undefined) !== (t.labels === undefined),
  'expected exactly one of backend and labels',
)

export const routeSpec = strict({
  aliases: z.array(modelName).max(100).default([]),
  tiers: z
    .array(strict({ targets: z.array(target).min(1).max(1000) }))
    .min(1)
    .max(10),
  policy: resourceId.default('default'),
  /** Routes that are asked, in order, where no backend of this one can take a request. */
  fallbacks: z.array(modelName).max(10).default([]),
  labels: labels.default({}),
})

/** A public model name (the route's id, and its aliases) and the backends that answer for it. */
export type RouteSpec = Readonly<z.output<typeof routeSpec>>
export type Target = Readonly<z.output<typeof target>>
