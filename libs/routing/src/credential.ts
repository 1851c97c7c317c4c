import {
  type BackendSpec,
  type Resource,
  sealedOf,
  secretOf,
  type Snapshot,
} from '@signalbox/model'

/** Where a backend's credential lies, sealed. */
export interface CompiledCredential {
  readonly sealed: string
  /** Behind the fleet's name, what it is sealed for: `backend/b1`, `secret/openai`. */
  readonly place: string
  /** Last revision that changed what holds it. */
  readonly revision: number
}

/** The credential of a backend, its own or the secret's; null: none, undefined: dangling. */
export function credentialOf(
  { id, revision, spec }: { id: string; revision: number; spec: BackendSpec },
  { secrets }: Pick<Snapshot, 'secrets'>,
): CompiledCredential | null | undefined {
  const name = secretOf(spec)
  if (name === undefined) {
    const own = sealedOf(spec)
    return own ? { sealed: own.sealed, place: `backend/${id}`, revision } : null
  }
  const secret: Resource<'secret'> | undefined = secrets.get(name)
  if (!secret) return undefined
  return { sealed: secret.spec.sealed, place: `secret/${name}`, revision: secret.revision }
}
