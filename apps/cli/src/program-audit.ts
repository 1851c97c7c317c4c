import { type Command } from 'commander'
import { type Bind } from './program.ts'

export function addAuditCommands(_program: Command, _bind: Bind): void {}
