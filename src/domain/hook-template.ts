/** Longest template, in UTF-16 units. */
export const MAX_HOOK_TEMPLATE = 65_536;
/** A template with more placeholders could turn a small request into a huge message. */
export const MAX_HOOK_PLACEHOLDERS = 32;
export const PLACEHOLDER_HINT = '`{{body.<path>}}`';

const PLACEHOLDER = /\{\{body\.([^{}\s]{1,200})\}\}/g;

/** What is wrong with the template of a hook's message; undefined if it is right. */
export function templateProblem(template: string): string | undefined {
  if (template.trim() === '') return 'must not be empty';
  if (template.length > MAX_HOOK_TEMPLATE) return `is longer than ${MAX_HOOK_TEMPLATE} characters`;
  const found = [...template.matchAll(PLACEHOLDER)];
  if (found.length > MAX_HOOK_PLACEHOLDERS) return `has more than ${MAX_HOOK_PLACEHOLDERS} placeholders`;
  // A typo would reach the agent as text, and `{{result:…}}` would quote a task that the sender chooses.
  if (template.replace(PLACEHOLDER, '').includes('{{'))
    return `expected only placeholders of the form ${PLACEHOLDER_HINT}`;
  return undefined;
}

/**
 * The message of a hook's task: each `{{body.a.b}}` becomes the text, number or boolean at this path of the body, and a
 * number in the path is an index of a list. What is inserted is never read as a placeholder.
 *
 * @returns the names of the placeholders for which the body has no such value, if there are any.
 */
export function fillTemplate(template: string, body: unknown): string | { readonly missing: readonly string[] } {
  const missing = new Set<string>();
  const filled = template.replace(PLACEHOLDER, (_, path: string) => {
    const value = valueAt(body, path.split('.'));
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    missing.add(`body.${path}`);
    return '';
  });
  if (missing.size > 0) return { missing: [...missing] };
  // The parts of a request may also form one together.
  return filled.replaceAll('{{result:', '{{ result:');
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    return (at as Readonly<Record<string, unknown>>)[key];
  }, value);
}
