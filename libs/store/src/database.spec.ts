import { unavailable } from './database.ts'
import { DatabaseUnavailable } from './store.ts'

const coded = (code: string) => Object.assign(new Error('some text'), { code })

describe('unavailable', () => {
  it.each(['ECONNREFUSED', '57P01', '57P03', '57014', '55P03', '53300', '08006', '25006'])(
    'takes %s as "not now", and keeps the cause',
    (code) => {
      const error = coded(code)
      expect(unavailable(error)).toBeInstanceOf(DatabaseUnavailable)
      expect(unavailable(error)).toMatchObject({ cause: error })
    },
  )

  it.each([
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'Client has encountered a connection error and is not queryable',
  ])('takes the driver at its word: %s', (message) => {
    expect(unavailable(new Error(message))).toBeInstanceOf(DatabaseUnavailable)
  })

  it.each([
    coded('23505'),
    coded('42P01'),
    coded('28P01'),
    new Error('the file was closed: timeout'),
    'text',
    undefined,
  ])('leaves what is no matter of availability as it is: %s', (error) => {
    expect(unavailable(error)).toBe(error)
  })
})
