import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser, watchedPage } from '../../support/browser.ts';
import { CliProcess } from '../../support/cli.ts';
import { reservePort } from '../../support/ports.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

const TOKEN = 'the token of this test';
/** Where the pictures of the docs go, if this run is to make them. */
const PICTURES = process.env.CLAWMESH_SCREENSHOTS;

describe('the dashboard in a browser', () => {
  let mesh: ProcessMesh;
  let server: CliProcess;
  let browser: Browser;
  let url: string;

  beforeAll(async () => {
    mesh = await ProcessMesh.start();
    const port = await reservePort();
    mesh.config = mesh.configWith(
      `node: {pools: {default: 3}}\ndashboard: {port: ${port}, token: "${TOKEN}"}\nnodes: {mac-1: {}, mac-2: {}, mac-3: {}}\n`,
    );
    url = `http://127.0.0.1:${port}/`;
    server = new CliProcess(['--config', mesh.config, 'dashboard']);
    const nodes = ['mac-1', 'mac-2', 'mac-3'].map((id) => mesh.startNode(id));
    await Promise.all([...nodes, server.waitFor(/dashboard of mesh/)]);
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.kill();
    await mesh?.stop();
  });

  async function picture(page: Page, name: string): Promise<void> {
    if (!PICTURES) return;
    mkdirSync(PICTURES, { recursive: true });
    await page.screenshot({ path: join(PICTURES, `${name}.png`) });
  }

  async function loggedIn(): Promise<{ page: Page; faults: string[] }> {
    const { page, faults } = await watchedPage(browser, url);
    await page.goto(url);
    expect(page.url()).toBe(`${url}login`);
    await page.fill('input[name=token]', TOKEN);
    await page.click('text=Log in');
    await page.waitForSelector('.card');
    return { page, faults };
  }

  it('shows a crash in the middle of 30 tasks as it happens', async () => {
    const { page, faults } = await loggedIn();
    await page.click('text=1 min');
    await mesh.presenceSeen('mac-3');
    await mesh.queueMany(30, 'hold');
    await mesh.starts(9);
    const cutOff = mesh.ledger.starts().filter((line) => line.node === 'mac-3').length;
    await mesh.kill('mac-3');
    await mesh.nodeState('mac-3', 'dead');
    mesh.ledger.release();
    await page.waitForSelector('.arrow[data-to]:not(.waits)', { state: 'attached' });
    await page.waitForSelector('.lane[data-node=mac-3] .dead', { state: 'attached' });
    await page.waitForSelector('.card.dead[data-node=mac-3]');
    expect(await page.textContent('.problems li.error')).toContain('node mac-3 is dead');
    expect(cutOff).toBeGreaterThan(0);

    // What the timeline shows is what the handover log says.
    await expect.poll(async () => (await mesh.handovers()).every(({ to }) => to !== null)).toBe(true);
    const logged = (await mesh.handovers()).map(({ taskId, to }) => `${taskId} ${to}`).sort();
    const drawn = () =>
      page.$$eval('.arrow', (arrows) =>
        arrows.map((a) => `${a.getAttribute('data-task')} ${a.getAttribute('data-to')}`).sort(),
      );
    await expect.poll(drawn).toEqual(logged);
    await expect.poll(() => page.$$eval('.bar.handover', (bars) => bars.length)).toBe(logged.length);

    await picture(page, 'dashboard');
    await page.emulateMedia({ colorScheme: 'dark' });
    await picture(page, 'dashboard-dark');
    const dark = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')).not.toBe(dark);

    await page.setViewportSize({ width: 390, height: 844 });
    await expect.poll(() => page.evaluate<number>('document.documentElement.scrollWidth')).toBe(390);
    await expect.poll(() => page.$eval('.lanes svg', (svg) => Number(svg.getAttribute('width')))).toBeLessThan(390);
    await picture(page, 'dashboard-phone');
    await page.setViewportSize({ width: 1280, height: 860 });

    await page.click('nav.pages >> text=Handovers');
    const handover = page.locator('section:has(#handovers-title) tbody tr');
    await expect.poll(() => handover.count()).toBe(logged.length);
    await handover.first().locator('a').click();
    await page.waitForSelector('dialog .history');
    expect(await page.textContent('dialog .history')).toMatch(
      /claimed on mac-3.*handover on mac-3.*crash.*claimed on mac-[12]/s,
    );
    await picture(page, 'dashboard-task');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('dialog').count()).toBe(0);
    await page.click('nav.pages >> text=Overview');

    await mesh.allEnded();
    await expect.poll(() => page.textContent('tr[data-pool=default]')).toMatch(/default\s*0\s*0\s*0\s*30\s*0\s*0/);
    expect(faults).toEqual([]);
    await page.close();
  });

  it('enqueues, cancels, drains and pauses, each after a question, by keyboard alone', async () => {
    const { page, faults } = await loggedIn();
    await page.locator('button', { hasText: 'Enqueue' }).focus();
    await page.keyboard.press('Enter');
    await page.fill('textarea[name=message]', '60');
    await page.fill('dialog input[name=pool]', 'NOT A POOL');
    await page.locator('dialog button[type=submit]').press('Enter');
    await page.waitForSelector('dialog .error');
    expect(await page.textContent('dialog .error')).toMatch(/pool: expected a pool name.*nothing was queued/);
    await page.fill('dialog input[name=pool]', 'default');
    await page.locator('dialog button[type=submit]').press('Enter');
    await page.waitForSelector('dialog .task[data-state=active]');
    const id = page.url().split('/task/')[1] ?? '';

    await page.locator('dialog button', { hasText: 'Cancel' }).press('Enter');
    await page.locator('dialog button', { hasText: 'No' }).press('Enter');
    expect((await mesh.task(id)).state).toBe('active');
    await page.locator('dialog button', { hasText: 'Cancel' }).press('Enter');
    await page.locator('dialog button', { hasText: 'Yes, cancel' }).press('Enter');
    await page.waitForSelector('dialog .task[data-state=cancelled]');
    expect((await mesh.task(id)).error?.message).toBe('cancelled while it ran');
    expect(await page.textContent('dialog pre.log')).toContain('a line for the log');
    await page.keyboard.press('Escape');

    await page.locator('.lanes').focus();
    await page.keyboard.press('End');
    expect(await page.textContent('.announce')).toContain(`on mac-`);
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog .task');
    await page.keyboard.press('Escape');

    const node = page.locator('.card[data-node=mac-1]');
    await node.locator('button', { hasText: 'Drain' }).press('Enter');
    await page.locator('dialog button', { hasText: 'Yes, drain' }).press('Enter');
    await page.waitForSelector('.card.draining[data-node=mac-1]');
    expect((await mesh.json('node', 'show', 'mac-1')).state).toBe('draining');
    await node.locator('button', { hasText: 'Resume' }).press('Enter');
    await page.locator('dialog button', { hasText: 'Yes, resume' }).press('Enter');
    await page.waitForSelector('.card.up[data-node=mac-1]');

    await page.locator('tr[data-pool=default] button', { hasText: 'Pause' }).press('Enter');
    await page.locator('dialog button', { hasText: 'Yes, pause' }).press('Enter');
    await page.waitForSelector('tr[data-pool=default] .gated');
    expect((await mesh.json('status')).pools.default.paused).toBe(true);
    await page.locator('tr[data-pool=default] button', { hasText: 'Resume' }).press('Enter');
    await page.locator('dialog button', { hasText: 'Yes, resume' }).press('Enter');
    await expect.poll(async () => (await mesh.json('status')).pools.default.paused).toBe(false);

    await page.click('text=Log out');
    await page.waitForURL(`${url}login`);
    await page.goto(url);
    expect(page.url()).toBe(`${url}login`);
    // The browser itself notes the refused enqueue, and what the page still asked for while it was logging out.
    expect(faults.filter((fault) => !/status of 40[01]/.test(fault))).toEqual([]);
    await page.close();
  });

  it('logs in once by a link, which leaves nothing of itself in the address', async () => {
    const link = (await mesh.cli('dashboard', '--link')).stdout.trim();
    const { page, faults } = await watchedPage(browser, url);
    await page.goto(link);
    await page.waitForSelector('.card');
    expect(page.url()).toBe(url);
    expect(faults).toEqual([]);
    await page.click('text=Log out');
    await page.waitForURL(`${url}login`);
    await page.close();

    const second = await watchedPage(browser, url);
    await second.page.goto(link);
    await second.page.waitForSelector('.error');
    expect(await second.page.textContent('.error')).toMatch(/this link was already used.*clawmesh dashboard --link/);
    expect(second.page.url()).toBe(`${url}login`);
    await second.page.close();
  });

  it('shows the raw queues beside it, read-only', async () => {
    const { page, faults } = await loggedIn();
    await page.click('text=Raw queues');
    await page.waitForSelector('text=COMPLETED');
    await page.click('a:has-text("default")');
    await page.waitForSelector('text=/mac-[123]~/i');
    await picture(page, 'raw-queues');
    expect(faults).toEqual([]);
    await page.close();
  });

  it('says so when Redis is gone, and resumes when it is back', async () => {
    const { page } = await loggedIn();
    await mesh.server.down();
    await page.waitForSelector('.trouble');
    expect(await page.textContent('.trouble')).toMatch(/Redis/);
    await mesh.server.up();
    await expect.poll(() => page.locator('.trouble').count()).toBe(0);
    await page.waitForSelector('.card.up[data-node=mac-1]');
    await page.close();
  });
});
