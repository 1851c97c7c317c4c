import { refuse, type Refusal, type RouteSpec } from '@signalbox/model'
import { specIn, type View } from './view.ts'

/** Refuses a route from which its fallbacks lead back to it, and names the circle. */
export function fallbackCycle(view: View, id: string): Refusal | undefined {
  const circle = circleFrom(view, id)
  if (!circle) return undefined
  const message = `the fallbacks of route ${id} lead back to it: ${circle.join(' -> ')}`
  return refuse('fallback_cycle', message, {
    errors: [{ path: 'spec.fallbacks', message }],
  })
}

/** The way from a route back to itself; undefined where there is none. */
function circleFrom(view: View, id: string): readonly string[] | undefined {
  const cameFrom = new Map<string, string>()
  const waiting = [id]
  for (const at of waiting) {
    for (const next of fallbacksOf(view, at)) {
      if (next === id) return [...wayTo(at, cameFrom), id]
      if (cameFrom.has(next)) continue
      cameFrom.set(next, at)
      waiting.push(next)
    }
  }
  return undefined
}

function wayTo(end: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way: string[] = []
  for (let at: string | undefined = end; at !== undefined; at = cameFrom.get(at)) way.unshift(at)
  return way
}

/** A route of an earlier version has none. */
export function fallbacksOf(view: View, id: string): readonly string[] {
  const route = specIn(view, 'route', id) as RouteSpec | null
  return (route?.fallbacks as readonly string[] | undefined) ?? []
}
