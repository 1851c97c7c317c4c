import * as z from 'zod'
import { strict } from './fields.ts'

const MEMBERS_MAX = 200_000
const MEMBER = /^(secret|backend|route|policy|settings)\/.{1,200}$/

/**
 * What one declarative apply owns: the members that it wrote, as `resource/id`. A later apply of
 * the same set may prune them; one of another set may not touch them.
 */
export const setSpec = strict({
  members: z
    .array(z.string().regex(MEMBER, 'expected resource/id, such as backend/b1'))
    .max(MEMBERS_MAX),
})
export type SetSpec = z.infer<typeof setSpec>
