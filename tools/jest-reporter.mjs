// Writes the counts that tools/run.mjs prints as the last line, and names every skip.
import { writeFileSync } from 'node:fs'

export default class CountReporter {
  onRunComplete(_contexts, results) {
    const target = process.env.SIGNALBOX_TEST_COUNTS
    if (!target) return
    const skipped = results.testResults.flatMap((file) =>
      file.testResults.filter((t) => t.status === 'pending').map((t) => t.fullName),
    )
    const counts = {
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped,
      todo: results.numTodoTests,
    }
    writeFileSync(target, JSON.stringify(counts))
  }
}
