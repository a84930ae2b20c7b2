const RESULT = /\{\{result:([^{}\s]+)\}\}/g;

/** The ids of the tasks whose results the message wants, each once. */
export function wantedResults(message: string): string[] {
  if (!message.includes('{{result:')) return [];
  return [...new Set([...message.matchAll(RESULT)].map(([, id]) => id as string))];
}

/** How long all results are that the message quotes, each as often as it does, in characters. */
export function quotedLength(message: string, results: ReadonlyMap<string, string>): number {
  let length = 0;
  for (const [, id] of message.matchAll(RESULT)) length += results.get(id as string)?.length ?? 0;
  return length;
}

/** The message with each `{{result:<id>}}` replaced by that task's text. */
export function fillResults(message: string, results: ReadonlyMap<string, string>): string {
  return message.replace(RESULT, (whole, id: string) => results.get(id) ?? whole);
}
