import { type BackendDrafts } from './continuum-backends.ts'
import { type Fragment } from './document.ts'
import { isMapping, type Path, type Reader } from './reader.ts'
import { firstOf, misfit } from './settings.ts'

const ALL: Path = ['global_prompts', 'default']
const MODELS: Path = ['global_prompts', 'models']
const BACKENDS: Path = ['global_prompts', 'backends']
const MODE: Path = ['global_prompts', 'merge_strategy']
const MODES = ['prepend', 'append', 'replace']
const NO_BACKEND = 'no backend of this file that is imported has this name'

/** The member `prompts` of the policy, of global_prompts and of what backends say themselves. */
export function readPrompts(reader: Reader, drafts: BackendDrafts): Fragment | undefined {
  const mode = readMode(reader, MODE)
  const prompt = (path: Path) => readPrompt(reader, path, mode)
  const all = prompt(ALL)
  const found = all && fits(reader, ALL, { all }) ? { all } : {}
  const models: Record<string, Fragment> = {}
  for (const name of reader.names(MODELS)) {
    const one = prompt([...MODELS, name])
    if (one && fits(reader, [...MODELS, name], { models: { [name]: one } })) models[name] = one
  }
  const backends = backendPrompts(reader, drafts, prompt)
  const whole = {
    ...found,
    ...(Object.keys(models).length > 0 ? { models } : {}),
    ...(Object.keys(backends).length > 0 ? { backends } : {}),
  }
  return Object.keys(whole).length > 0 ? whole : undefined
}

function backendPrompts(
  reader: Reader,
  drafts: BackendDrafts,
  prompt: (path: Path) => Fragment | undefined,
): Record<string, Fragment> {
  const found: Record<string, Fragment> = {}
  const named = new Set<string>()
  for (const [id, { name, origin }] of drafts) {
    const general = name === undefined ? [] : [[...BACKENDS, name]]
    if (name !== undefined) named.add(name)
    const path = firstOf(reader, [[...origin, 'system_prompt'], ...general])
    const one = path && prompt(path)
    if (one && fits(reader, path, { backends: { [id]: one } })) found[id] = one
  }
  for (const name of reader.names(BACKENDS)) {
    if (!named.has(name)) reader.leave([...BACKENDS, name], NO_BACKEND)
  }
  return found
}

/** Text, or a mapping with the text and its own way to be put in. */
function readPrompt(reader: Reader, path: Path, common: string | undefined): Fragment | undefined {
  const value = reader.at(path)
  const own = isMapping(value) ? readMode(reader, [...path, 'merge_strategy']) : undefined
  const at = isMapping(value) ? [...path, 'prompt'] : path
  const text = reader.text(at)
  const mode = own ?? common
  if (text === undefined || text === '') return undefined
  return { text, ...(mode === undefined ? {} : { mode }) }
}

function readMode(reader: Reader, path: Path): string | undefined {
  const mode = reader.text(path)
  if (mode === undefined || MODES.includes(mode)) return mode
  return reader.problem(path, `expected one of ${MODES.join(', ')}`)
}

function fits(reader: Reader, path: Path, prompts: Fragment): boolean {
  const why = misfit('policy', { prompts })
  if (why !== undefined) reader.leave(path, why)
  return why === undefined
}
