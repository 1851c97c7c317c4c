// The console in a real browser, before the real admin API and a real Postgres. What one test
// leaves, the next one finds: as somebody at work would.
import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TOKENS } from '../../apps/admin-api/src/api-harness.ts'
import { type Bench, findChromium, NO_BROWSER, openBench } from './browser-harness.ts'

const root = dirname(dirname(import.meta.dirname))
const FIRST_LOAD_BYTES_MAX = 350 * 1_024
/** Where pictures of the pages go: SCREENSHOTS=docs/console makes those of the documentation. */
const pictures = process.env['SCREENSHOTS']
const chromium = findChromium()
const describeHere = chromium ? describe : describe.skip

it('is small at its first load', () => {
  const folder = join(root, 'dist/console/assets')
  const sizes = readdirSync(folder)
    .filter((name) => name.endsWith('.gz'))
    .map((name) => statSync(join(folder, name)).size)
  expect(sizes.length).toBeGreaterThan(1)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_LOAD_BYTES_MAX)
})

describeHere(chromium ? 'the console' : NO_BROWSER, () => {
  let bench: Bench
  beforeAll(async () => {
    bench = await openBench(chromium ?? '')
  })
  afterAll(() => bench.end())

  const at = (path: string) => bench.page.goto(`${bench.api.base}/#${path}`)
  const button = (name: string | RegExp) => bench.page.getByRole('button', { name })
  const heading = (name: string) => bench.page.getByRole('heading', { name, exact: true })
  const picture = async (name: string) => {
    if (!pictures) return
    await bench.page.screenshot({ path: join(root, pictures, `${name}.png`) })
  }
  /** Looks at what would change, and does it. */
  const confirm = async (verb: string) => {
    const dialog = bench.page.getByRole('dialog')
    await dialog.getByLabel('Reason').fill('seen in a test')
    await dialog.getByRole('button', { name: verb, exact: true }).click()
    await dialog.getByText('Saved.').waitFor()
    await dialog.getByRole('button', { name: 'Done' }).click()
  }

  it('lets nobody in without a token, and keeps the token nowhere', async () => {
    await bench.signIn('not-a-token')
    await bench.page.getByRole('alert').waitFor()
    expect(await bench.violations()).toEqual([])
    await bench.signIn(TOKENS.operator)
    await heading('Overview').waitFor()
    await bench.page.getByText('live', { exact: true }).waitFor()
    const kept = await bench.page.evaluate(
      'JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, location.href])',
    )
    expect(kept).not.toContain(TOKENS.operator)
    expect(JSON.parse(String(kept))[0]).toBe('')
  })

  it('adds a backend: a problem stands at its field, and the change is seen to spread', async () => {
    await at('/resources/backend')
    await bench.page.getByRole('link', { name: 'Add a backend' }).click()
    await bench.page.getByLabel('Id').fill('vllm-a')
    await bench.page.getByLabel('URL').fill('nowhere')
    await button('Create …').click()
    await bench.page.getByRole('dialog').getByRole('alert').waitFor()
    await button('Cancel').click()
    const url = bench.page.getByLabel('URL')
    const note = bench.page.locator(`[id="${await url.getAttribute('aria-describedby')}"]`)
    expect(await note.textContent()).not.toBe('')
    await url.fill('http://127.0.0.1:9')
    await bench.page.getByLabel('All other members').fill('{"models": ["m1"]}')
    await button('Create …').click()
    await bench.page.getByRole('dialog').getByText('created').waitFor()
    const dialog = bench.page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Create', exact: true }).click()
    await dialog.getByText('3 applied it, 0 pending, 0 refused.').waitFor()
    await picture('saved')
    await dialog.getByRole('button', { name: 'Done' }).click()
    await heading('vllm-a').waitFor()
  })

  it('shows the fleet as it converges', async () => {
    await at('/fleet')
    await bench.page.getByText('3 of 3 proxies run revision 1').waitFor()
    await bench.api.add('vllm-b', { models: ['m1'] })
    await bench.page.getByText('3 of 3 proxies run revision 2').waitFor()
    await bench.page.getByLabel('Group by').selectOption('zone')
    await heading('b').waitFor()
    await picture('fleet')
  })

  it('shows a backend that goes down, as it does', async () => {
    await at('/resources/backend')
    const row = bench.page.getByRole('listitem').filter({ hasText: 'vllm-a' })
    await row.getByText('unknown').waitFor()
    const facts = { sinceMs: 1, checkedAtMs: 1, latencyMs: null, revision: 1, models: null }
    const status = { ...facts, backend: 'vllm-a', health: 'down', error: 'no', observer: 'p' }
    bench.api.bus.sendStatus({ observer: 'p', statuses: [status as never] })
    await row.getByText('down').waitFor()
    await picture('backends')
  })

  it('explains a decision', async () => {
    await at('/explain')
    await bench.page.getByLabel('Model').fill('m1')
    await button('Explain').click()
    await heading('Goes to vllm-b').waitFor()
    await bench.page.getByText('vllm-a as m1').waitFor()
    await picture('explain')
  })

  it('drains in one step, and tells a conflict with what another changed', async () => {
    await at('/resources/backend')
    await button('Drain vllm-b').click()
    await confirm('Drain')
    await bench.page.getByText('drained').waitFor()
    await at('/resources/backend/vllm-b')
    await bench.page.getByLabel('Weight').fill('7')
    await bench.api.call('PATCH', 'backends/vllm-b', { body: { spec: { labels: { zone: 'x' } } } })
    await button('Save …').click()
    await bench.page.getByRole('dialog').getByRole('alert').waitFor()
    await button('Cancel').click()
    await bench.page.getByText('Somebody changed it meanwhile.').waitFor()
    await picture('conflict')
    await button('Keep mine').click()
    await bench.page.getByText('Somebody changed it meanwhile.').waitFor({ state: 'detached' })
    await button('Save …').click()
    await confirm('Save')
    const { json } = await bench.api.call('GET', 'backends/vllm-b')
    expect(json.spec).toMatchObject({ weight: 7, enabled: false, labels: {} })
  })

  it('goes back to a revision, after its difference was seen', async () => {
    await at('/time')
    await bench.page.getByRole('group').filter({ hasText: 'operator by console' }).last().click()
    await picture('time')
    await button('Roll back to 1 …').click()
    await bench.page.getByRole('dialog').getByText('deleted').waitFor()
    await confirm('Roll back')
    expect((await bench.api.call('GET', 'backends/vllm-b')).status).toBe(404)
    const { json } = await bench.api.call('GET', 'revisions?limit=1')
    expect(json.items[0]).toMatchObject({ actor: 'operator', reason: 'seen in a test' })
  })

  it('makes a key, shows it once, and revokes it', async () => {
    await at('/resources/key/new')
    await bench.page.getByLabel('Id').fill('team-a')
    await button('Create …').click()
    await confirm('Create')
    const token = bench.page.locator('.token')
    expect(await token.textContent()).toMatch(/sbx-/)
    await button('I have kept it').click()
    await heading('team-a').waitFor()
    expect(await bench.page.content()).not.toMatch(/sbx-[\w-]{20}/)
    await button('Delete …').click()
    await confirm('Delete')
    await heading('Keys').waitFor()
    expect((await bench.api.call('GET', 'keys/team-a')).status).toBe(404)
  })

  it.each(['/', '/fleet', '/resources/backend', '/resources/backend/vllm-a', '/time', '/usage'])(
    '%s can be used by everybody, in the dark as well',
    async (path) => {
      await at(path)
      await bench.page.getByRole('heading', { level: 1 }).waitFor()
      expect(await bench.violations()).toEqual([])
      await button('Dark').click()
      expect(await bench.violations()).toEqual([])
      if (path === '/') await picture('overview')
      await button('Light').click()
    },
  )

  it('leads anywhere by the keyboard', async () => {
    await bench.page.keyboard.press('Control+k')
    await bench.page.keyboard.type('expl')
    await bench.page.keyboard.press('Enter')
    await heading('Explain').waitFor()
    expect(await bench.violations()).toEqual([])
  })

  it('says that it is not live when the stream breaks, and comes back', async () => {
    await bench.page.route('**/admin/v1/events', (route) => route.abort())
    await bench.page.reload()
    await bench.page.getByText('reconnecting').waitFor()
    await bench.page.getByText('not live').waitFor()
    await bench.page.unroute('**/admin/v1/events')
    await bench.page.getByText('live', { exact: true }).waitFor()
    await bench.page.getByText('not live').waitFor({ state: 'detached' })
  })

  it('shows a viewer nothing to write with', async () => {
    await button('Sign out').click()
    await bench.page.getByLabel('Admin token').waitFor()
    await bench.signIn(TOKENS.viewer)
    await heading('Overview').waitFor()
    await at('/resources/backend')
    await bench.page.getByRole('link', { name: 'vllm-a' }).waitFor()
    expect(await bench.page.getByRole('link', { name: 'Add a backend' }).count()).toBe(0)
    expect(await button(/^(Drain|Enable)/).count()).toBe(0)
    await bench.page.getByRole('link', { name: 'vllm-a' }).click()
    await bench.page.getByText('by console').waitFor()
    expect(await button(/^(Save|Delete|Roll back)/).count()).toBe(0)
  })

  it('wrote no error meanwhile, and broke no policy of its own', () => {
    expect(bench.errors).toEqual([])
  })
})
