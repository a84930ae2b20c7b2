const RESULT = /\{\{result:([^{}\s]+)\}\}/g;

/** The ids of the tasks whose results the message wants, each once. */
export function wantedResults(message: string): string[] {
  if (!message.includes('{{result:')) return [];
  return [...new Set([...message.matchAll(RESULT)].map(([, id]) => id as string))];
}

/** The message with each `{{result:<id>}}` replaced by that task's text. */
export function fillResults(message: string, results: ReadonlyMap<string, string>): string {
  return message.replace(RESULT, (whole, id: string) => results.get(id) ?? whole);
}
