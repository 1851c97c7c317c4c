import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, type FormEvent, type ReactNode, useContext } from 'react'
import { answered, api, isSignedOut, type Session } from './api.ts'
import { Field, Trouble } from './parts.tsx'

const CHECK_MS = 20_000
const SessionContext = createContext<Session>({ actor: '', role: 'viewer', expiresAt: null })

export function useSession(): Session {
  return useContext(SessionContext)
}

/** Whether this role writes: what it may not do is not shown, and the API refuses it anyway. */
export function useMayWrite(): boolean {
  return useSession().role !== 'viewer'
}

/** The console for who has a session, the sign-in for who has none. */
export function SignedIn({ children }: { readonly children: ReactNode }) {
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['session'],
    queryFn: () => answered(api.GET('/admin/v1/session')),
    refetchInterval: CHECK_MS,
  })
  if (isSignedOut(error)) return <SignIn />
  if (data) return <SessionContext value={data}>{children}</SessionContext>
  if (isPending) return <p className="note">Loading …</p>
  return (
    <main className="sign-in">
      <h1>Signalbox</h1>
      <Trouble error={error} />
      <button onClick={() => void refetch()}>Try again</button>
    </main>
  )
}

function SignIn() {
  const queries = useQueryClient()
  const signIn = useMutation({
    mutationFn: (token: string) =>
      answered(api.POST('/admin/v1/session', { headers: { authorization: `Bearer ${token}` } })),
    onSuccess: () => queries.resetQueries(),
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const token = new FormData(event.currentTarget).get('token')
    if (typeof token === 'string') signIn.mutate(token.trim())
  }
  return (
    <main className="sign-in">
      <h1>Signalbox</h1>
      <form onSubmit={submit}>
        <Field label="Admin token" hint="It is kept nowhere in the browser; a session follows.">
          {(id, note) => (
            <input
              {...{ id, name: 'token', type: 'password', required: true }}
              autoComplete="current-password"
              aria-describedby={note}
            />
          )}
        </Field>
        <Trouble error={signIn.error} />
        <button className="main" disabled={signIn.isPending}>
          Sign in
        </button>
      </form>
    </main>
  )
}

export function SignOut() {
  const queries = useQueryClient()
  const end = useMutation({
    mutationFn: () => answered(api.DELETE('/admin/v1/session')),
    onSuccess: () => queries.clear(),
    onSettled: () => location.reload(),
  })
  return <button onClick={() => end.mutate()}>Sign out</button>
}
