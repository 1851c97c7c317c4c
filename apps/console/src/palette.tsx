import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { Dialog } from './parts.tsx'
import { PAGES } from './pages.ts'

/** Ctrl-K or Command-K, some letters of a page, Enter. */
export function Palette() {
  const [open, setOpen] = useState(false)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return
      event.preventDefault()
      setOpen(true)
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  return (
    <>
      <button onClick={() => setOpen(true)} aria-keyshortcuts="Control+K Meta+K">
        Go to …
      </button>
      {open ? <Choices onClose={() => setOpen(false)} /> : null}
    </>
  )
}

function Choices({ onClose }: { readonly onClose: () => void }) {
  const [text, setText] = useState('')
  const navigate = useNavigate()
  const found = PAGES.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase()))
  const go = (to: string) => {
    onClose()
    void navigate({ to })
  }
  return (
    <Dialog title="Go to" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (found[0]) go(found[0].to)
        }}
      >
        <input
          {...{ value: text, autoFocus: true }}
          aria-label="Page"
          onChange={({ target }) => setText(target.value)}
        />
      </form>
      <ul className="plain">
        {found.map(({ name, to }) => (
          <li key={to}>
            <button onClick={() => go(to)}>{name}</button>
          </li>
        ))}
      </ul>
    </Dialog>
  )
}
