import { type Command } from 'commander'
import { type Bind } from './program.ts'

export function addObservingCommands(_program: Command, _bind: Bind): void {}
