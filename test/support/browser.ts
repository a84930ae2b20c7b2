import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Browser, chromium, type Page } from 'playwright-core';
import { HANG_MS } from './cli.ts';

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The browser of this machine; undefined if there is none. */
export const browserPath = PLACES.find((path) => existsSync(path));

export async function openBrowser(): Promise<Browser> {
  if (browserPath === undefined) throw new Error('no Chromium; run scripts/setup browser');
  return chromium.launch({
    executablePath: browserPath,
    // What a browser asks of its maker at each start is not for a test, and tests run as root.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** Where the pictures of the docs go, if this run is to make them. */
const PICTURES = process.env.CLAWMESH_SCREENSHOTS;

/** Takes a picture for the docs, if this run is to make them. */
export async function picture(page: Page, name: string): Promise<void> {
  if (!PICTURES) return;
  // Nothing is highlighted under the mouse.
  await page.mouse.move(0, 0);
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

/** Lets time pass on a timeline that is to be pictured. */
export async function pose(ms: number): Promise<void> {
  if (PICTURES) await setTimeout(ms);
}

/** A page that keeps what should not happen on it: requests to elsewhere, errors, refusals of its policy. */
export async function watchedPage(browser: Browser, origin: string): Promise<{ page: Page; faults: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
  page.setDefaultTimeout(HANG_MS);
  const faults: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) faults.push(`asked ${request.url()}`);
  });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  return { page, faults };
}
