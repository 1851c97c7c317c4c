import { QueryClientProvider } from '@tanstack/react-query'
import {
  createHashHistory,
  createRootRoute,
  createRoute,
  createRouter,
  RouterProvider,
} from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createQueries } from './api.ts'
import { AsOf } from './as-of.tsx'
import { NewPage, ResourcePage } from './editor.tsx'
import { ExplainPage } from './explain.tsx'
import { FleetPage } from './fleet.tsx'
import { Layout } from './layout.tsx'
import { ListPage } from './list.tsx'
import { LiveProvider } from './live.tsx'
import { Overview } from './overview.tsx'
import { SignedIn } from './session.tsx'
import { TimePage } from './time.tsx'
import { UsagePage } from './usage.tsx'

const root = createRootRoute({
  component: Layout,
  notFoundComponent: () => <p>There is no such page.</p>,
})
const page = <P extends string>(path: P, component: () => React.JSX.Element) =>
  createRoute({ getParentRoute: () => root, path, component })
const routeTree = root.addChildren([
  page('/', Overview),
  page('/fleet', FleetPage),
  page('/resources/$kind', ListPage),
  page('/resources/$kind/new', NewPage),
  page('/resources/$kind/$id', ResourcePage),
  page('/explain', ExplainPage),
  page('/time', TimePage),
  page('/usage', UsagePage),
])
// Behind the hash, so that the admin API serves one page and knows no path of the console.
const router = createRouter({ routeTree, history: createHashHistory() })

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}

const element = document.getElementById('console')
if (!element) throw new Error('the page has no #console')
createRoot(element).render(
  <StrictMode>
    <QueryClientProvider client={createQueries()}>
      <SignedIn>
        <LiveProvider>
          <AsOf>
            <RouterProvider router={router} />
          </AsOf>
        </LiveProvider>
      </SignedIn>
    </QueryClientProvider>
  </StrictMode>,
)
