import type { TaskInput } from '../../../queue/new-task.ts';

const NUMBERS: ReadonlySet<string> = new Set(['priority', 'attempts']);

/** The fields of a task's form that are filled in, as the server expects them. */
export function readForm(form: FormData): Record<string, unknown> {
  const given = [...form].flatMap(([name, value]) => (value === '' ? [] : [[name, String(value)] as const]));
  return Object.fromEntries(
    given.map(([name, text]) => [name, NUMBERS.has(name) ? Number(text) : name === 'tags' ? tagsOf(text) : text]),
  );
}

/** The changes that turn `input` into what the form contains: fields that were emptied are null. */
export function changedFields(
  input: TaskInput,
  given: Readonly<Record<string, unknown>>,
  inForm: readonly (keyof TaskInput)[],
): Record<string, unknown> {
  const emptied = inForm.filter((name) => input[name] !== undefined && !(name in given));
  return { ...Object.fromEntries(emptied.map((name) => [name, null])), ...given };
}

/** A field's value as text of the form. */
export function shownValue(value: TaskInput[keyof TaskInput]): string {
  if (value === undefined) return '';
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map((pair) => pair.join('='))
    .join(' ');
}

/** `repo=x team=web`, also separated by commas or lines. */
function tagsOf(text: string): Record<string, string> {
  const tags = text.split(/[\s,]+/).filter(Boolean);
  return Object.fromEntries(
    tags.map((tag) => {
      const [name = '', ...value] = tag.split('=');
      return [name, value.join('=')];
    }),
  );
}
