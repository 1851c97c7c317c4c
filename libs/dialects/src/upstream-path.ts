/** `v1`, `v4`, `v1beta`, `v1p1beta1`, `v1.1`: a segment that names an API's version. */
const VERSION_SEGMENT = /^v\d+(?:\.\d+)*(?:(?:p|alpha|beta)\d*)*$/
const CLIENT_VERSION = '/v1/'

/** Scheme, host and port of a base URL, as a connection pool wants them. */
export function upstreamOrigin(baseUrl: string): string {
  return new URL(baseUrl).origin
}

/**
 * The path, on the backend's origin, of a path as clients write it. For a table to compute once for
 * each backend and operation, not for each request. `baseUrl` is a valid URL without query.
 *
 * - `http://h` and `http://h/some/proxy`: the path is appended.
 * - `https://h/v1`, `https://h/v1beta/openai`: the base names the version, so that `/v1` of the
 *   path is dropped.
 * - A path outside `/v1/` (`/health`) is the server's and not its API's: what the base says from
 *   its version on is dropped.
 */
export function upstreamPath(baseUrl: string, path: string): string {
  const segments = new URL(baseUrl).pathname.split('/').filter((segment) => segment !== '')
  const versionAt = segments.findLastIndex((segment) => VERSION_SEGMENT.test(segment))
  if (!path.startsWith(CLIENT_VERSION)) {
    const root = versionAt < 0 ? segments : segments.slice(0, versionAt)
    return prefixOf(root) + path
  }
  const rest = versionAt < 0 ? path : path.slice(CLIENT_VERSION.length - 1)
  return prefixOf(segments) + rest
}

function prefixOf(segments: readonly string[]): string {
  return segments.map((segment) => `/${segment}`).join('')
}
