import { execa } from 'execa';

const TIMEOUT_MS = 10_000;

/** Posts JSON to a web hook. @throws Error where it is not taken. The URL is a secret and never in the message. */
export async function postJson(url: string, body: object): Promise<void> {
  let status: number;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    status = response.status;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new Error(`the webhook can't be reached: ${cause.replaceAll(url, 'it')}`);
  }
  if (status >= 300) throw new Error(`the webhook has answered ${status}`);
}

/** Runs a command with JSON on its standard input. @throws Error where it fails. */
export async function runWithJson(command: string, body: object): Promise<void> {
  await execa(command, { shell: true, input: JSON.stringify(body), timeout: TIMEOUT_MS, stdout: 'ignore' });
}
