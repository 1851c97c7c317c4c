import { QueryClient } from '@tanstack/react-query'
import createClient from 'openapi-fetch'
import { type components, type paths } from './generated/api.ts'

type Schemas = components['schemas']
export type Change = Schemas['Change']
export type Convergence = Schemas['Convergence']
export type ExplainedRequest = Schemas['ExplainedRequest']
export type Fleet = Schemas['Fleet']
export type Member = Schemas['Member']
export type Problem = Schemas['Problem']
export type Revision = Schemas['Revision']
export type Session = Schemas['Session']
export type Status = Schemas['Status']
export type Statuses = Schemas['Statuses']

/** All calls go through the client of the committed OpenAPI document. */
export const api = createClient<paths>({ baseUrl: location.origin })
api.use({
  onRequest: ({ request }) => {
    // Also what tells the API that no other page wrote this: docs/console.md.
    if (request.method !== 'GET') request.headers.set('x-signalbox-source', 'console')
    return request
  },
})

/** A refusal of the API, as it says it. */
export class Refused extends Error {
  readonly problem: Problem
  readonly status: number

  constructor(problem: Problem, status: number) {
    super(problem.detail ?? problem.title ?? `status ${status}`)
    this.problem = problem
    this.status = status
  }
}

interface Answer<T> {
  readonly data?: T | undefined
  readonly error?: unknown
  readonly response: Response
}

/** What was answered, or a Refused. */
export async function answered<T>(call: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await call
  if (response.ok) return data as T
  const problem = typeof error === 'object' && error !== null ? (error as Problem) : {}
  throw new Refused(problem, response.status)
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof Refused && error.status === 401
}

/** A session that ended anywhere shows the sign-in: the page asks who calls, and is told nobody. */
export function createQueries(): QueryClient {
  const queries = new QueryClient({
    defaultOptions: {
      queries: {
        retry: (count, error) => count < 2 && !(error instanceof Refused && error.status < 500),
      },
    },
  })
  queries.getQueryCache().subscribe(({ query }) => {
    const { status, error } = query.state
    if (query.queryKey[0] === 'session' || status !== 'error' || !isSignedOut(error)) return
    void queries.invalidateQueries({ queryKey: ['session'] })
  })
  return queries
}
