/**
 * The pool alone: undici's door brings fetch, WebSocket, caches and mocks along, which cost each
 * proxy 3 MB. The version is pinned; an update that moves the file fails the build.
 */
declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici'
  export default Pool
}

declare module 'undici/lib/dispatcher/client.js' {
  import { Client } from 'undici'
  export default Client
}
