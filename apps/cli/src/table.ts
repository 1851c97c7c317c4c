import { plain } from './paint.ts'

const GAP = '  '

/** Columns as wide as their widest cell; the last one is not filled up. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [head, ...rows.map((row) => row.map(cell))]
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const lines = cells.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join(GAP)
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : plain(value.join(','))
  return plain(typeof value === 'object' ? JSON.stringify(value) : String(value)).replace(
    /\n/g,
    ' ',
  )
}
