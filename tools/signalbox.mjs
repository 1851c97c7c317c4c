#!/usr/bin/env node
// `npx signalbox`: the CLI by way of run.mjs, which makes what is missing and finds Node 24.
process.argv.splice(2, 0, 'signalbox')
await import('./run.mjs')
