export { Client, failUnconnected, KEEP_ALIVE_MS, type Keeping } from './client.ts'
