export { type ProbeConfig, readProbeConfig } from './config.ts'
export { detectBackends, type Detected } from './detect.ts'
export { type RunningProbe, startHealthProbe } from './start.ts'
export { type ProbeDeps } from './watches.ts'
