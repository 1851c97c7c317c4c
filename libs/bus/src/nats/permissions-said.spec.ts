import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BusRole, permissionsOf, renderNatsAccounts } from './permissions.ts'
import { subjectsOf } from './subjects.ts'

const FOLDER = join(import.meta.dirname, '../../../../deploy/nats')
const ROLES: readonly BusRole[] = ['admin-api', 'proxy', 'health-probe']

it('deploy/nats/fleet-default.conf is what the subjects say (npm run nats-accounts)', () => {
  const committed = readFileSync(join(FOLDER, 'fleet-default.conf'), 'utf8')
  expect(committed).toBe(renderNatsAccounts('default'))
})

it('every subject has somebody who says it and somebody who hears it', () => {
  const { stream, snapshotBucket, usageQueue, ...rest } = subjectsOf('f')
  expect([stream, snapshotBucket, usageQueue]).toEqual(['SB_F_CONFIG', 'SB_F_SNAPSHOT', 'store'])
  const names = Object.values(rest).filter((value) => typeof value === 'string')
  const said = ROLES.flatMap((role) => permissionsOf('f', role).publish)
  const heard = ROLES.flatMap((role) => permissionsOf('f', role).subscribe)
  // The stream hears revisions, and says what is live.
  expect(names.filter((name) => !said.includes(name))).toEqual(['sb.f.config.live.*'])
  expect(names.filter((name) => !heard.includes(name))).toEqual(['sb.f.config.revision.*'])
})
