const RESULT = /\{\{result:([^{}\s]+)\}\}/g;

/** The ids of the tasks whose results the message quotes, each once. */
export function wantedResults(message: string): string[] {
  if (!message.includes('{{result:')) return [];
  return [...new Set([...message.matchAll(RESULT)].map(([, id]) => id as string))];
}

/** Total length of the quoted results in characters; a result that is quoted twice counts twice. */
export function quotedLength(message: string, results: ReadonlyMap<string, string>): number {
  let length = 0;
  for (const [, id] of message.matchAll(RESULT)) length += results.get(id as string)?.length ?? 0;
  return length;
}

/** Replaces each `{{result:<id>}}` with the result text of that task. */
export function fillResults(message: string, results: ReadonlyMap<string, string>): string {
  return message.replace(RESULT, (whole, id: string) => results.get(id) ?? whole);
}

/** Replaces the id in each `{{result:<id>}}`, if there is another one for it. */
export function replaceIds(message: string, ids: ReadonlyMap<string, string>): string {
  return message.replace(RESULT, (_, id: string) => `{{result:${ids.get(id) ?? id}}}`);
}
