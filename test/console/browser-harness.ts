// A browser before the admin API, with three members of the fleet that apply whatever comes.
import { accessSync, constants, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { type HubBus } from '@signalbox/bus'
import { type Browser, chromium, type Page } from 'playwright-core'
import { type Api, heartbeatOf, startApi } from '../../apps/admin-api/src/api-harness.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
export const NO_BROWSER = 'console: skipped, chromium is not on PATH (apt-get install chromium)'
const WAIT_MS = 20_000

/** Where a Chromium is; undefined where there is none. */
export function findChromium(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

export interface Bench {
  readonly api: Api
  readonly page: Page
  /** What the page wrote to its console as errors. */
  readonly errors: readonly string[]
  signIn(token: string): Promise<void>
  /** Serious and critical violations of what is shown now. */
  violations(): Promise<string[]>
  end(): Promise<void>
}

export async function openBench(executablePath: string): Promise<Bench> {
  const api = await startApi()
  const members = ['proxy-1', 'proxy-2', 'proxy-3']
  const buses = await Promise.all(members.map((id) => follow(api, id)))
  const browser: Browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  page.setDefaultTimeout(WAIT_MS)
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    // Chromium writes each refusal of the API there: those are asked for.
    const refusal = /Failed to load resource/.test(message.text())
    if (message.type() === 'error' && !refusal) errors.push(message.text())
  })
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  return {
    ...{ api, page, errors },
    signIn: async (token) => {
      await page.goto(api.base)
      await page.getByLabel('Admin token').fill(token)
      await page.getByRole('button', { name: 'Sign in' }).click()
    },
    violations: async () => {
      // As the browser's owner, not as the page: the page's policy lets no other script in.
      const text = await page.evaluate(`(async () => {
        ${axe}
        const { violations } = await window.axe.run()
        return JSON.stringify(violations.filter(({ impact }) => /serious|critical/.test(impact))
          .map(({ id, nodes }) => id + ' ' + nodes[0].html))
      })()`)
      return JSON.parse(String(text)) as string[]
    },
    end: async () => {
      await browser.close()
      for (const bus of buses) await bus.close()
      await api.end()
    },
  }
}

/** A proxy as the fleet sees it: its heartbeat says that it runs each revision as it comes. */
async function follow(api: Api, id: string): Promise<HubBus> {
  const bus = api.hub.connect()
  const { lineage, epoch, revision } = await api.store.head()
  const more = { id, labels: { zone: id === 'proxy-3' ? 'b' : 'a' } }
  bus.onRevision((message) => {
    const { lineage, epoch } = message
    bus.sendHeartbeat(heartbeatOf(message.revision, { ...more, lineage, epoch }))
  })
  bus.sendHeartbeat(heartbeatOf(revision, { ...more, lineage, epoch }))
  return bus
}
