export * from './bus.ts'
export {
  createHub,
  type Hub,
  type HubBus,
  type HubOptions,
  type Intercept,
  type Lane,
} from './in-process/hub.ts'
export * from './disk-copy.ts'
export { sizeProblem } from './encode.ts'
export {
  follow,
  type Following,
  type FollowingState,
  type FollowOptions,
  HEARTBEAT_MS,
  type Identity,
} from './follow.ts'
export { type Changed, type ChangedResource, links } from './follower-fold.ts'
export { RELEASE_HEARTBEAT_MS } from './follower-release.ts'
export {
  manifestSigner,
  manifestTrust,
  openManifest,
  type Sign,
  signManifest,
  type Trusts,
} from './manifest.ts'
export { noBus } from './no-bus.ts'
export { packChunk } from './pack.ts'
export { type ChunkSource, type Digests, textOf } from './read-snapshot.ts'
export {
  openSnapshotFolder,
  readSnapshotFolder,
  SNAPSHOT_DIR,
  type SnapshotSource,
} from './snapshot-folder.ts'
export { takeSnapshot } from './take-snapshot.ts'
export { SILENCE_MS } from './follower-state.ts'
export { type Bridge, connectBridge, serveBridge } from './in-process/bridge.ts'
export { type IpcChannel, ipcPort, type Port } from './in-process/port.ts'
export type { ConnectNatsOptions } from './nats/connect.ts'
export { connectNats } from './nats/load.ts'
export { renderNatsAccounts } from './nats/permissions.ts'
export { NATS_URL, type NatsOptions, readNatsOptions } from './nats/options.ts'
