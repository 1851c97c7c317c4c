export * from './address-gate.ts'
export * from './clock.ts'
export * from './env.ts'
export * from './envelope.ts'
export * from './kms.ts'
export * from './listen.ts'
export * from './log.ts'
export * from './main.ts'
export * from './merge-metrics.ts'
export * from './metrics.ts'
export * from './ops.ts'
export * from './process-metrics.ts'
export {
  derive,
  fingerprint,
  keyIdIn,
  keyIdOf,
  MASTER_KEY_BYTES,
  type MasterKeys,
  type Opened,
  seal,
  sha256,
  unseal,
} from './seal.ts'
export * from './shed-garbage.ts'
export * from './sign.ts'
export * from './tracing.ts'
export * from './variables.ts'
export * from './version.ts'
