import { Link, Outlet } from '@tanstack/react-router'
import { useState } from 'react'
import { useAsOf, useSetAsOf } from './as-of.tsx'
import { useLive } from './live.tsx'
import { PAGES } from './pages.ts'
import { Palette } from './palette.tsx'
import { SignOut, useSession } from './session.tsx'

const THEME = 'signalbox-theme'

export function Layout() {
  const { actor, role } = useSession()
  return (
    <>
      <a className="skip" href="#page" onClick={skip}>
        Skip to the page
      </a>
      <header>
        <strong>Signalbox</strong>
        <State />
        <Palette />
        <Theme />
        <span className="note">
          {actor} ({role})
        </span>
        <SignOut />
      </header>
      <nav aria-label="Pages">
        {PAGES.map(({ name, to }) => (
          <Link key={to} to={to as '/'} activeOptions={{ exact: to === '/' }}>
            {name}
          </Link>
        ))}
      </nav>
      <main id="page" tabIndex={-1}>
        <Notices />
        <Outlet />
      </main>
    </>
  )
}

/** The hash of the URL is the page: a plain link to an anchor would leave it. */
function skip(event: { preventDefault(): void }): void {
  event.preventDefault()
  document.getElementById('page')?.focus()
}

function State() {
  const { connection } = useLive()
  const text = { connecting: 'connecting', live: 'live', lost: 'reconnecting' }[connection]
  return (
    <span role="status" className="mark" data-of={connection}>
      {text}
    </span>
  )
}

function Notices() {
  const { connection, asOfMs } = useLive()
  const asOf = useAsOf()
  const setAsOf = useSetAsOf()
  return (
    <>
      {connection === 'lost' ? (
        <p role="alert" className="trouble">
          The connection is lost. What is shown here is not live
          {asOfMs === null ? '' : `: it is as of ${new Date(asOfMs).toLocaleTimeString()}`}.
        </p>
      ) : null}
      {asOf === null ? null : (
        <p role="status" className="past">
          Resources are shown as of revision {asOf}.{' '}
          <button onClick={() => setAsOf(null)}>Back to now</button>
        </p>
      )}
    </>
  )
}

/** What the system says, or what was chosen here. */
function Theme() {
  const [theme, setTheme] = useState(themeNow)
  document.documentElement.dataset['theme'] = theme
  const next = theme === 'dark' ? 'light' : 'dark'
  return (
    <button
      onClick={() => {
        localStorage.setItem(THEME, next)
        setTheme(next)
      }}
    >
      {next === 'dark' ? 'Dark' : 'Light'}
    </button>
  )
}

function themeNow(): string {
  const chosen = localStorage.getItem(THEME)
  if (chosen === 'dark' || chosen === 'light') return chosen
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
}
