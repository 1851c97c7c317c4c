// fast-check with one seed, so that a test run is the same every time: jest.config.mjs maps the
// package to this. SIGNALBOX_TEST_SEED explores others: a number, or `random`.
import fc from '../node_modules/fast-check/lib/fast-check.js'

const STANDARD_SEED = 20_261_124
const wanted = process.env.SIGNALBOX_TEST_SEED ?? String(STANDARD_SEED)
if (wanted !== 'random') fc.configureGlobal({ seed: Number(wanted) })

export * from '../node_modules/fast-check/lib/fast-check.js'
export default fc
