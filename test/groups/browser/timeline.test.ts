import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBrowser, watchedPage } from '../../support/browser.ts';
import { CliProcess, writeConfig } from '../../support/cli.ts';
import { fillMesh } from '../../support/filled-mesh.ts';
import { openTestMesh, type TestMesh } from '../../support/pool.ts';
import { reservePort } from '../../support/ports.ts';
import { SpawnedRedis } from '../../support/redis.ts';

const TOKEN = 'a-token-of-this-test';
const BUSY = ['mac-1', 'mac-2', 'mac-10'];
const IDLE = Array.from({ length: 32 }, (_, index) => `mini-${index + 1}`);
const TASKS = 600;
const DAY_MS = 86_400_000;

describe('the timeline in a browser', () => {
  let server: SpawnedRedis;
  let mesh: TestMesh;
  let dashboard: CliProcess;
  let browser: Browser;
  let page: Page;
  let faults: string[];
  let url: string;

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    mesh = await openTestMesh(server.url, 'm');
    await fillMesh(mesh, { nodes: BUSY, idle: IDLE, tasks: TASKS, spanMs: 3 * DAY_MS });
    const port = await reservePort();
    url = `http://127.0.0.1:${port}/`;
    const config = writeConfig(
      `mesh: m\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\ndashboard: {port: ${port}, token: "${TOKEN}"}\n`,
    );
    dashboard = new CliProcess(['--config', config, 'dashboard']);
    await dashboard.waitFor(/dashboard of mesh/);
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await dashboard?.kill();
    await mesh?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    ({ page, faults } = await watchedPage(browser, url));
    await page.goto(url);
    await page.fill('input[name=token]', TOKEN);
    await page.click('text=Log in');
    await page.waitForSelector('.lane');
    return async () => {
      expect(faults).toEqual([]);
      await page.close();
    };
  });

  const range = (label: string) => page.selectOption('select[aria-label="Time range"]', { label });
  const summary = async () => (await page.textContent('.shown-period')) ?? '';
  const runs = async () => Number(/^([\d,]+) run/.exec(await summary())?.[1]?.replace(',', ''));
  const lane = (node: string) => page.locator(`.lane[data-node=${node}] [role=listbox]`);
  const option = () => page.textContent('[role=option]');
  /** Number of pixels of the lanes that have the colour of this variable. */
  const pixels = (variable: string) =>
    page.evaluate<number>(`(() => {
      const canvas = document.querySelector('.lanes canvas');
      const probe = document.body.appendChild(document.createElement('i'));
      probe.style.color = 'var(--${variable})';
      const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
      probe.remove();
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let i = 0; i < data.length; i += 4) count += data[i] === r && data[i + 1] === g && data[i + 2] === b;
      return count;
    })()`);

  it('has a lane for every idle node, sorted as people sort names', async () => {
    const names = await page.$$eval('.lane', (lanes) => lanes.map((one) => one.getAttribute('data-node')));
    expect(names).toEqual([...BUSY, ...IDLE]);
    expect(await page.locator('text=No node').count()).toBe(0);
  });

  it('shows the runs of the last days, in the colours of both themes', async () => {
    await range('7 days');
    await expect.poll(runs).toBeGreaterThan(TASKS);
    expect(await summary()).toContain('runs of removed tasks are not shown');
    await expect.poll(() => pixels('completed')).toBeGreaterThan(100);
    expect(await pixels('failed')).toBeGreaterThan(0);
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(() => pixels('completed')).toBeGreaterThan(100);
  });

  it('moves by a drag, selects a period on the axis, pauses, and jumps back to the present', async () => {
    await range('1 day');
    await expect.poll(runs).toBeGreaterThan(TASKS / 6);
    const box = await page.locator('.lanes').boundingBox();
    const axis = await page.locator('.axis').boundingBox();
    if (!box || !axis) throw new Error('no timeline');
    const drag = async (y: number, from: number, to: number) => {
      await page.mouse.move(box.x + from, y);
      await page.mouse.down();
      await page.mouse.move(box.x + (from + to) / 2, y, { steps: 3 });
      await page.mouse.move(box.x + to, y, { steps: 3 });
      await page.mouse.up();
    };
    await drag(box.y + 40, 300, 800);
    await expect.poll(summary).toMatch(/\(1d\).*paused/);
    const moved = await summary();
    await drag(axis.y + 8, 400, 600);
    await expect.poll(summary).not.toBe(moved);
    const hours = Number(/\((\d+)h/.exec(await summary())?.[1]);
    expect(hours).toBeGreaterThan(2);
    expect(hours).toBeLessThan(8);
    await page.click('text=Jump to now');
    await expect.poll(summary).not.toContain('paused');
    await page.click('text=Pause');
    await expect.poll(summary).toContain('paused');
  });

  it('leads from run to run and from lane to lane by keyboard, and opens a task', async () => {
    await range('7 days');
    await expect.poll(runs).toBeGreaterThan(TASKS);
    await lane('mac-1').focus();
    await page.keyboard.press('End');
    await expect.poll(option).toMatch(/“task \d+” on mac-1, attempt 1: \w+/);
    const last = await option();
    await page.keyboard.press('ArrowLeft');
    await expect.poll(option).not.toBe(last);
    await page.keyboard.press('ArrowRight');
    await expect.poll(option).toBe(last);
    await page.keyboard.press('ArrowDown');
    expect(await page.evaluate<string>('document.activeElement.closest(".lane").dataset.node')).toBe('mac-2');
    await page.keyboard.press('Home');
    await expect.poll(option).toContain('on mac-2');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog .history');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('dialog').count()).toBe(0);
  });

  it('tells a handover in the table as the handover log does', async () => {
    await range('7 days');
    await page.getByRole('button', { name: 'Table' }).click();
    await expect.poll(() => page.locator('table.runs tbody tr').count()).toBe(200);
    const cell = page.locator('table.runs tr[data-end=handover] td').last();
    expect(await cell.textContent()).toMatch(/^drain, claimed by mac-\d+ after /);
  });

  it('refuses a time that is none, and says what was wrong', async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    for (const before of ['soon', '-1', '1.5']) {
      const response = await fetch(`${url}api/v1/timeline?before=${before}`, { headers });
      const { error } = (await response.json()) as { error: string };
      expect([response.status, error]).toEqual([400, 'before: expected a time in ms since 1970']);
    }
  });

  it('fits on a phone, and on a page zoomed to 200 %', async () => {
    for (const width of [390, 640]) {
      await page.setViewportSize({ width, height: 844 });
      await expect.poll(() => page.evaluate<number>('document.documentElement.scrollWidth')).toBe(width);
      await expect.poll(() => page.$eval('.lanes canvas', ({ clientWidth }) => clientWidth)).toBeLessThan(width);
    }
  });
});
