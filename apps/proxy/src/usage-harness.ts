// What the specs about recorded requests share.
import { decodeRecords, type RequestRecord } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { hub } from './proxy-harness.ts'

/** What is stored from now on. */
export function storing(): RequestRecord[] {
  const all: RequestRecord[] = []
  hub.connect().onUsage(({ text }) => {
    const { records, malformed } = decodeRecords(text)
    all.push(...records)
    return malformed === 0 ? Promise.resolve() : Promise.reject(new Error('malformed'))
  })
  return all
}

export async function recordNamed(
  all: readonly RequestRecord[],
  requestId: string,
): Promise<RequestRecord> {
  const find = () => all.find((one) => one.requestId === requestId)
  await eventually(() => find() !== undefined)
  const found = find()
  if (!found) throw new Error('no record')
  return found
}
