import { type ListenAddress } from '@signalbox/host'
import { urlOf } from './url.ts'

/** A backend that the start adds by itself. */
export interface Registration {
  readonly id: string
  readonly kind: string
  readonly url: string
  readonly apiKey?: string
  readonly labels?: Readonly<Record<string, string>>
}

const WAIT = '2s'

/** Through the admin API, as any operator would: audited, and only where something is new. */
export async function registerBackends(
  backends: readonly Registration[],
  { address, token }: { address: ListenAddress; token: string },
): Promise<void> {
  if (address.kind === 'unix') return
  for (const { id, ...spec } of backends) {
    const url = `${urlOf(address)}/admin/v1/backends/${id}?wait=${WAIT}`
    const answer = await fetch(url, {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'x-reason': 'found at the start',
      },
      body: JSON.stringify({ spec }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`the backend ${id} cannot be added: ${text}`)
  }
}
