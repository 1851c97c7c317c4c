export { Client, KEEP_ALIVE_MS } from './client.ts'
