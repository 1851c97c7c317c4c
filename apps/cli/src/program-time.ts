import { type Command } from 'commander'
import { type Bind } from './program.ts'

export function addTimeCommands(_program: Command, _bind: Bind): void {}
