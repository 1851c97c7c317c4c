import { type Bus } from '../bus.ts'
import type { ConnectNatsOptions } from './connect.ts'

/**
 * The bus over NATS JetStream. Loads the client first: a process that has its bus from another one
 * does without it, and without its memory.
 */
export async function connectNats(options: ConnectNatsOptions): Promise<Bus> {
  const { connectNats: connect } = await import('./connect.ts')
  return connect(options)
}
