export { type ProxyConfig, readProxyConfig } from './config.ts'
export { type ProxyDeps, type RunningProxy, startProxy } from './start.ts'
