const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Escapes that a shell knows between double quotes; it keeps the backslash before any other character. */
const ESCAPED = /\\(["\\$`])/g;

/**
 * Parses an env file with one `NAME=value` per line. An unquoted value is trimmed. Single quotes keep everything;
 * double quotes know `\"`, `\\`, `\$` and `` \` `` as in a shell. Syntax that programs read differently, such as a `#`
 * after a space, is refused: a wrong guess would change a secret.
 *
 * @throws Error with the line number and the problem, and never with the text of the line.
 */
export function envValues(text: string): Record<string, string> {
  const values = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const fail = (problem: string) => new Error(`line ${index + 1}: ${problem}`);
    const at = line.indexOf('=');
    const name = line
      .slice(0, Math.max(0, at))
      .trim()
      .replace(/^export\s+/, '');
    if (!NAME.test(name)) throw fail('expected NAME=value, or # before a comment');
    if (values.has(name)) throw fail(`${name} is already set above`);
    const read = readValue(line.slice(at + 1).trim());
    if ('problem' in read) throw fail(`${name}: ${read.problem}`);
    values.set(name, read.value);
  }
  return Object.fromEntries(values);
}

function readValue(written: string): { value: string } | { problem: string } {
  const [quote = ''] = written;
  if (quote === '`') return { problem: 'expected a value in \'…\' or "…"' };
  if (quote !== "'" && quote !== '"') {
    const unclear = /(^|\s)#/.test(written);
    return unclear
      ? { problem: "the # may start a comment or be part of the value; write the value in '…'" }
      : { value: written };
  }
  const inside = quote === "'" ? /^'([^']*)'/ : /^"((?:[^"\\]|\\.)*)"/;
  const [whole, value] = inside.exec(written) ?? [];
  if (whole === undefined || value === undefined) return { problem: `the opening ${quote} is not closed on this line` };
  if (!/^(\s+#.*)?$/.test(written.slice(whole.length))) {
    return { problem: `unexpected text after the closing ${quote}; write the whole value in one pair of quotes` };
  }
  if (quote === "'") return { value };
  if (value.replace(ESCAPED, '').includes('\\')) {
    return { problem: "programs disagree on this backslash; write the value in '…', or write each backslash as \\\\" };
  }
  return { value: value.replace(ESCAPED, '$1') };
}
