/** Where the navigation and the palette lead. */
export const PAGES = [
  { name: 'Overview', to: '/' },
  { name: 'Fleet', to: '/fleet' },
  { name: 'Backends', to: '/resources/backend' },
  { name: 'Routes', to: '/resources/route' },
  { name: 'Policies', to: '/resources/policy' },
  { name: 'Keys', to: '/resources/key' },
  { name: 'Secrets', to: '/resources/secret' },
  { name: 'Principals', to: '/resources/principal' },
  { name: 'Explain', to: '/explain' },
  { name: 'Time', to: '/time' },
  { name: 'Usage', to: '/usage' },
] as const
