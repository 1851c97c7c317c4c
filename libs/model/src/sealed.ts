import { sealedOf } from './backend.ts'
import { type Spec } from './resource.ts'

/*
 * What is sealed is text of a form of its own (libs/host envelope.ts): `dk1:ID:TEXT` names the data
 * key that opens it, which is kept beside the log, and `dk1:ID:TEXT:WRAPPED` brings it along, as
 * proxies and probes get it. Older text, under a master key itself, has no colon in it.
 */
const FORM = 'dk1'

/** Wrapped data keys by their ids. */
export type DataKeys = Readonly<Record<string, string>>

/** The id of the data key that a text is sealed under; undefined: it is of the older form. */
export function dataKeyOf(sealed: string): string | undefined {
  const [form, id] = sealed.split(':', 2)
  return form === FORM ? id : undefined
}

/** The text with its data key, whether it had one before or not. */
export function withDataKey(sealed: string, wrapped: string): string {
  const [form, id, text] = sealed.split(':', 3)
  return `${form}:${id}:${text}:${wrapped}`
}

/** What is sealed in a spec: the value of a secret, or a backend's own credential. */
export function sealedTextOf(spec: Spec | null): string | undefined {
  if (spec === null) return undefined
  if ('sealed' in spec) return spec.sealed
  return 'credential' in spec ? sealedOf(spec)?.sealed : undefined
}

/** The same spec with other sealed text; the fingerprint stays. */
export function withSealedText<Of extends Spec>(spec: Of, sealed: string): Of {
  if ('sealed' in spec) return { ...spec, sealed }
  const own = 'credential' in spec ? sealedOf(spec) : undefined
  return own ? { ...spec, credential: { ...own, sealed } } : spec
}

/** The spec with the data key of what is sealed in it, where that is among these. */
export function withDataKeys<Of extends Spec>(spec: Of, dataKeys: DataKeys): Of {
  const sealed = sealedTextOf(spec)
  const id = sealed === undefined ? undefined : dataKeyOf(sealed)
  const wrapped = id !== undefined && Object.hasOwn(dataKeys, id) ? dataKeys[id] : undefined
  if (sealed === undefined || wrapped === undefined) return spec
  return withSealedText(spec, withDataKey(sealed, wrapped))
}

/** The spec with the present seal where it holds the same secret: the former key may be gone. */
export function keepSealed(spec: Spec | null, now: Spec | null): Spec | null {
  if (spec === null || now === null) return spec
  if ('sealed' in spec && 'sealed' in now && spec.fingerprint === now.fingerprint) {
    return { ...spec, sealed: now.sealed }
  }
  if (!('credential' in spec) || !('credential' in now)) return spec
  const [then, kept] = [sealedOf(spec), sealedOf(now)]
  return then && then.fingerprint === kept?.fingerprint ? { ...spec, credential: kept } : spec
}
