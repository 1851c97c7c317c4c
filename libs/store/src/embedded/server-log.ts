/** The last line of a Postgres program's log that says what went wrong, without its prefix. */
export function reasonIn(log: string): string {
  const lines = log.trim().split('\n')
  const telling = lines.filter((line) => /\b(FATAL|PANIC|error|could not)\b/.test(line))
  const line = telling.at(-1) ?? lines.at(-1) ?? ''
  return line.replace(/^.*?\b(FATAL|PANIC|error): +/, '')
}
