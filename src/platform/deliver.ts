import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { execa } from 'execa';
import { messageOf } from '../domain/errors.ts';
import { findProgram } from './find-program.ts';

const TIMEOUT_MS = 10_000;

/**
 * Posts JSON to a webhook, through the proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
 *
 * @throws Error if the webhook can't be reached or refuses it. The URL is a secret and never in the message.
 */
export async function postJson(url: string, body: object, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const status = await postText(url, JSON.stringify(body), { env });
  if (status >= 300) throw new Error(`the webhook has answered ${status}`);
}

/**
 * Posts a JSON text with these headers, as {@link postJson} does. Follows no redirect.
 *
 * @returns the HTTP status of the answer
 * @throws Error if the webhook can't be reached. The URL is a secret and never in the message.
 */
export async function postText(
  url: string,
  text: string,
  { headers = {}, env = process.env }: { headers?: Readonly<Record<string, string>>; env?: NodeJS.ProcessEnv } = {},
): Promise<number> {
  try {
    return await post(new URL(url), text, headers, env);
  } catch (error) {
    throw new Error(`the webhook can't be reached: ${reasonOf(error).replaceAll(url, 'it')}`);
  }
}

/** Node's own `fetch` uses these proxies only if the process was started with that option. */
async function post(
  url: URL,
  text: string,
  headers: Readonly<Record<string, string>>,
  proxyEnv: NodeJS.ProcessEnv,
): Promise<number> {
  const secure = url.protocol === 'https:';
  const agent = secure ? new HttpsAgent({ proxyEnv }) : new HttpAgent({ proxyEnv });
  const answered = Promise.withResolvers<number>();
  const request = (secure ? httpsRequest : httpRequest)(url, {
    method: 'POST',
    agent,
    headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  request.once('error', answered.reject);
  request.once('response', (response) => {
    // The body is irrelevant, but must be consumed.
    response.on('error', () => {}).resume();
    answered.resolve(response.statusCode ?? 0);
  });
  request.end(text);
  try {
    return await answered.promise;
  } finally {
    agent.destroy();
  }
}

/** If several addresses were tried, each has its own reason; returns the first. */
function reasonOf(error: unknown): string {
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (inner instanceof Error && inner.name === 'AbortError') return `no answer within ${TIMEOUT_MS / 1_000} s`;
  return messageOf(inner);
}

/** Runs a command with JSON on its standard input. @throws Error if it fails. */
export async function runWithJson(command: string, body: object): Promise<void> {
  await execa(command, { shell: true, input: JSON.stringify(body), timeout: TIMEOUT_MS, stdout: 'ignore' });
}

/** The texts are passed as arguments, so that no part of them is read as AppleScript. */
const NOTIFY = ['on run argv', 'display notification (item 2 of argv) with title (item 1 of argv)', 'end run'].flatMap(
  (line) => ['-e', line],
);

/**
 * Shows a notification on this Mac. On another system it does nothing if `mayBeLeftOut`.
 *
 * @throws Error if it can't be shown.
 */
export async function notifyMac(title: string, text: string, mayBeLeftOut: boolean): Promise<void> {
  const osascript = findProgram(['osascript'], process.env);
  if (osascript === undefined) {
    if (mayBeLeftOut) return;
    throw new Error('notifications are shown only on a Mac');
  }
  await execa(osascript, [...NOTIFY, title, text], { timeout: TIMEOUT_MS, stdout: 'ignore' });
}
