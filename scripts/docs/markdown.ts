/** A Markdown table. Each row has as many cells as the head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)];
}

/** A page that is generated as a whole; `source`: the files that hold its content. */
export function page(title: string, source: string, lines: readonly string[]): string {
  return `${[`# ${title}`, '', `<!-- Made from ${source} by \`npm run docs\`; do not edit. -->`, '', ...lines].join('\n').trimEnd()}\n`;
}

/** The id of a heading, as GitHub builds it. */
export function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replace(/\s/g, '-');
}
