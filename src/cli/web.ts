import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { ClawmeshError } from '../domain/errors.ts';
import { loadedConfig, outputOf } from './context.ts';

/** How long a dashboard may take to reply, ms. */
const REPLY_MS = 3_000;
/** A program that opens a browser and has not failed by then has succeeded, ms. */
const STARTED_MS = 2_000;

/** Adds the option that opens a page of the dashboard instead of printing. */
export function addWebOption(command: Command): Command {
  return command.option('--web', 'open this on the dashboard of this machine, in the browser, instead of printing it');
}

/**
 * Opens a page of the dashboard in the user's browser, logged in. The dashboard has to run on this machine.
 *
 * @param page the part of the address after `#`, e.g. `/task/01k…`
 * @throws ClawmeshError `failed` if no dashboard replies, or there is no browser.
 */
export async function openPage(command: Command, page: string): Promise<void> {
  const out = outputOf(command);
  const { config } = await loadedConfig(command);
  const { loginLink } = await import('./open-dashboard.ts');
  const { url, loginUrl } = loginLink(config, process.env, page);
  const replies = await fetch(`${url}healthz`, { signal: AbortSignal.timeout(REPLY_MS) }).then(
    () => true,
    () => false,
  );
  if (!replies) {
    throw new ClawmeshError('failed', `no dashboard replies at ${url}`, { remedy: 'start one: clawmesh dashboard' });
  }
  out.note(`opening ${url}#${page} in the browser`);
  await openBrowser(loginUrl);
}

/** The link contains a code that logs in once; the browser uses it up before others can read its command line. */
async function openBrowser(link: string): Promise<void> {
  const { spawn } = await import('node:child_process');
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(opener, [link], { detached: true, stdio: 'ignore' });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  // Some openers stay for as long as the browser does.
  const code = await Promise.race([ended, sleep(STARTED_MS, 0)]).catch(() => 1);
  child.unref();
  if (code === 0) return;
  throw new ClawmeshError('failed', `${opener} could not open a browser`, {
    remedy: 'open the link that clawmesh dashboard --link prints',
  });
}
