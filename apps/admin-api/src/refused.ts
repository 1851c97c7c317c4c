import { refuse, type FieldProblem, type Refusal, type RefusalCode } from '@signalbox/model'

/**
 * A refusal on its way through Nest, which knows only exceptions; problem.ts turns it into HTTP.
 */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

export function refused(
  code: RefusalCode,
  message: string,
  errors?: readonly FieldProblem[],
): Refused {
  return new Refused(refuse(code, message, errors ? { errors } : {}))
}
