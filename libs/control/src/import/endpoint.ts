import { type Kind } from '@signalbox/model'
import { misfit } from './settings.ts'

const GEMINI_HOST = 'generativelanguage.googleapis.com'
const GEMINI_BASE = '/v1beta/openai'
const AZURE_BASE = '/openai/v1'

const KIND_BY_HOST: ReadonlyMap<string, Kind> = new Map([
  ['api.openai.com', 'openai'],
  ['api.anthropic.com', 'anthropic'],
  [GEMINI_HOST, 'gemini'],
])

/** The kind of the makers' own addresses: each wants its key in its own header. */
export function kindByHost(url: string): Kind | undefined {
  return KIND_BY_HOST.get(hostOf(url))
}

export function isUrl(text: string): boolean {
  return URL.canParse(text)
}

/** Why a backend cannot have this URL, or undefined. */
export function urlMisfit(url: string): string | undefined {
  return misfit('backend', { url })
}

export function hostOf(url: string): string {
  return new URL(url).hostname
}

/** One spelling of a URL that names one place. */
export function sameUrl(url: string): string {
  return new URL(url).href.replace(/\/+$/, '')
}

/** The base that Signalbox calls: the OpenAI-compatible one where the maker has several. */
export function baseFor(kind: Kind, url: string): string {
  const { hostname, pathname, origin } = new URL(url)
  if (kind === 'gemini' && hostname === GEMINI_HOST && !pathname.includes('/openai')) {
    return origin + GEMINI_BASE
  }
  if (kind === 'azure-openai' && pathname === '/') return origin + AZURE_BASE
  return url
}

const API_KEY_LENGTH_MAX = 4096

/** Why the admin API would not take this key, or undefined. */
export function apiKeyProblem(text: string): string | undefined {
  const fits = /^[\x21-\x7e]+$/.test(text) && text.length <= API_KEY_LENGTH_MAX
  return fits ? undefined : `expected 1 to ${API_KEY_LENGTH_MAX} visible characters`
}
