import { type Api, startApi } from './api-harness.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api.end())

describe('the console', () => {
  it('is a page that lets nothing in from elsewhere and nothing inline', async () => {
    const page = await api.call('GET', '/', { token: '' })
    expect(page.status).toBe(200)
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'")
    expect(policy).not.toContain('unsafe')
    expect(page.text).not.toMatch(/<script>|<style|style=|https?:/)
  })

  it('has files that never change, and no way out of their folder', async () => {
    const page = await api.call('GET', '/', { token: '' })
    const [, file = ''] = /src="(\/assets\/[^"]+\.js)"/.exec(page.text) ?? []
    const asset = await api.call('GET', file, { token: '' })
    expect(asset.headers.get('cache-control')).toContain('immutable')
    expect(asset.headers.get('content-encoding')).toBe('gzip')
    for (const path of ['/assets/..%2findex.html', '/assets/nothing.js', '/assets/%00.js']) {
      expect((await api.call('GET', path, { token: '' })).status).toBe(404)
    }
  })
})
