// Prints the two NATS accounts of a fleet, from the list of subjects in the code:
//   npm run --silent nats-accounts -- FLEET > deploy/nats/fleet-FLEET.conf
import { renderNatsAccounts } from '@signalbox/bus'

const [fleet = 'default', ...more] = process.argv.slice(2)
// As SIGNALBOX_FLEET has it (libs/host/src/variables.ts).
if (more.length > 0 || !/^[a-z0-9][a-z0-9-]{0,30}$/.test(fleet)) {
  console.error('usage: npm run --silent nats-accounts -- FLEET (lower-case letters, digits, -)')
  process.exit(2)
}
process.stdout.write(renderNatsAccounts(fleet))
