import { type Json } from './openapi-kit.ts'

interface Parameter {
  readonly name: string
  readonly in: string
  readonly description: string
  readonly required?: boolean
  readonly schema: {
    readonly type?: string
    readonly enum?: readonly string[]
    readonly default?: unknown
  }
}

type Contents = Readonly<Record<string, { readonly example?: unknown }>>

interface Operation {
  readonly tags: readonly string[]
  readonly summary: string
  readonly description: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Contents }
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly description: string
        readonly content?: Contents
        readonly 'x-codes'?: readonly string[]
      }
    >
  >
}

const GENERATED =
  'Made from [openapi.json](../openapi.json) by `UPDATE_OPENAPI=1 npm test -- test/tidy`.'
const FENCES: Readonly<Record<string, string>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
}

/** The document as pages to read, by file name: one a tag, and README.md, which lists them all. */
export function renderPages(document: Json): ReadonlyMap<string, string> {
  const paths = document['paths'] as Readonly<Record<string, Record<string, Operation>>>
  const calls = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, one]) => ({ call: `${method.toUpperCase()} ${path}`, one })),
  )
  const { description: about } = document['info'] as { readonly description: string }
  const byTag = Map.groupBy(calls, ({ one }) => one.tags[0] ?? 'other')
  const pages = [...byTag].map(([tag, all]): [string, string] => [
    `${tag}.md`,
    joined([`# ${tag}`, GENERATED, ...all.map(({ call, one }) => section(call, one))]),
  ])
  const lists = [...byTag].map(([tag, all]) =>
    joined([
      `## [${tag}](${tag}.md)`,
      table(
        ['call', 'does'],
        all.map(({ call, one }) => [`\`${call}\``, one.summary]),
      ),
    ]),
  )
  return new Map([['README.md', joined(['# Admin API', GENERATED, about, ...lists])], ...pages])
}

function section(call: string, one: Operation): string {
  const { summary, description, parameters = [], requestBody, responses } = one
  return joined([
    `## ${call}`,
    `${summary}. ${description.replaceAll('\n\n', '. ')}`,
    ...(parameters.length > 0 ? [parameterTable(parameters)] : []),
    ...(requestBody ? ['Request:', ...examples(requestBody.content)] : []),
    ...Object.entries(responses)
      .filter(([status]) => status.startsWith('2'))
      .flatMap(([status, { description: says, content = {} }]) => [
        `${status}: ${says}.`,
        ...examples(content),
      ]),
    refusals(responses),
  ])
}

function parameterTable(parameters: readonly Parameter[]): string {
  return table(
    ['parameter', 'in', 'means'],
    parameters.map(({ name, in: where, description, required, schema }) => {
      const oneOf = schema.enum ? ` (${schema.enum.join(', ')})` : ''
      const usual = schema.default === undefined ? '' : `; default ${String(schema.default)}`
      return [`\`${name}\``, where, `${description}${oneOf}${usual}${required ? '; required' : ''}`]
    }),
  )
}

function examples(content: Contents): string[] {
  return Object.entries(content).flatMap(([type, { example }]) => {
    if (example === undefined) return []
    const isText = typeof example === 'string'
    const text = isText ? example.trimEnd() : JSON.stringify(example, null, 2)
    return [`\`\`\`${FENCES[type] ?? ''}\n${text}\n\`\`\``]
  })
}

function refusals(responses: Operation['responses']): string {
  const codes = Object.values(responses).flatMap((one) => one['x-codes'] ?? [])
  return `Refused with: ${codes.map((code) => `\`${code}\``).join(', ')}.`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function joined(parts: readonly string[]): string {
  return `${parts.join('\n\n')}\n`.replace(/\n{3,}/g, '\n\n')
}
