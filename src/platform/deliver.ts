import { execa } from 'execa';
import { findProgram } from './find-program.ts';

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

/** The words come as arguments, so that nothing in them is taken for AppleScript. */
const NOTIFY = ['on run argv', 'display notification (item 2 of argv) with title (item 1 of argv)', 'end run'].flatMap(
  (line) => ['-e', line],
);

/**
 * Shows a notification on this Mac. Elsewhere it is left out if it `mayBeLeftOut`.
 *
 * @throws Error where it can't be shown.
 */
export async function notifyMac(title: string, text: string, mayBeLeftOut: boolean): Promise<void> {
  const osascript = findProgram(['osascript'], process.env);
  if (osascript === undefined) {
    if (mayBeLeftOut) return;
    throw new Error('notifications are shown only on a Mac');
  }
  await execa(osascript, [...NOTIFY, title, text], { timeout: TIMEOUT_MS, stdout: 'ignore' });
}
