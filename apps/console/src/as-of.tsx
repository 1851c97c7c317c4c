import { createContext, type ReactNode, useContext, useState } from 'react'

const AsOfContext = createContext<{
  readonly asOf: string | null
  readonly set: (asOf: string | null) => void
}>({ asOf: null, set: () => {} })

/** The revision that lists and resources are shown as of; null is now. */
export function useAsOf(): string | null {
  return useContext(AsOfContext).asOf
}

export function useSetAsOf(): (asOf: string | null) => void {
  return useContext(AsOfContext).set
}

export function AsOf({ children }: { readonly children: ReactNode }) {
  const [asOf, set] = useState<string | null>(null)
  return <AsOfContext value={{ asOf, set }}>{children}</AsOfContext>
}
