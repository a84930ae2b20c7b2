import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBrowser, watchedPage } from '../../support/browser.ts';
import type { CliProcess } from '../../support/cli.ts';
import { startBusyMesh, TOKEN } from '../../support/dashboard-mesh.ts';
import type { ProcessMesh } from '../../support/process-mesh.ts';

describe('the pages of the dashboard', () => {
  let mesh: ProcessMesh;
  let server: CliProcess;
  let browser: Browser;
  let page: Page;
  let faults: string[];
  let url: string;

  beforeAll(async () => {
    ({ mesh, server, url } = await startBusyMesh());
    browser = await openBrowser();
    ({ page, faults } = await watchedPage(browser, url));
    await page.goto(url);
    await page.fill('input[name=token]', TOKEN);
    await page.click('text=Log in');
    await page.waitForSelector('.card');
  });
  afterAll(async () => {
    await browser?.close();
    await server?.kill();
    await mesh?.stop();
  });
  beforeEach(() => page.goto('about:blank'));

  const show = async (address: string) => {
    await page.goto(`${url}#/${address}`);
    await page.waitForSelector('main .panel');
  };
  const rows = () => page.locator('tr[data-task]');
  const confirm = async (answer: string) => {
    await page.locator('dialog button', { hasText: answer }).click();
  };

  it('lists the tasks of a link with filters, and puts each change of a filter into the address', async () => {
    await show('tasks?state=failed&tag=repo%3Dx');
    await expect.poll(() => rows().count()).toBe(3);
    expect(await page.textContent('tr[data-task]')).toMatch(/fail invalid.*repo=x.*invalid: simulated invalid/s);
    await page.locator('.chips button', { hasText: 'failed' }).click();
    await page.locator('.chips button', { hasText: 'completed' }).click();
    await page.fill('input[name=tag]', '');
    await page.fill('input[name=text]', 'SUMMARIZE');
    await expect.poll(() => page.url()).toMatch(/#\/tasks\?state=completed&text=SUMMARIZE$/);
    await expect.poll(() => rows().count()).toBe(3);
    await page.goBack();
    await expect.poll(() => page.url()).not.toContain('state=completed');
    await page.click('text=Clear');
    await expect.poll(() => page.url()).toBe(`${url}#/tasks`);
  });

  it('pages through tasks, fifty at a time', async () => {
    const many = await mesh.queue(...Array.from({ length: 70 }, () => ({ message: 'one of many', pool: 'night' })));
    await show('tasks?pool=night&text=many');
    await expect.poll(() => rows().count()).toBe(50);
    await page.click('text=Older');
    await expect.poll(() => rows().count()).toBe(20);
    const oldest = await rows().last().getAttribute('data-task');
    expect(oldest).toBe(many[0]);
    await page.locator('button', { hasText: 'Newest' }).click();
    await expect.poll(() => rows().count()).toBe(50);

    await page.click('text=Cancel all matching…');
    await page.waitForSelector('text=Cancel 70 tasks?');
    await confirm('Yes, cancel 70 tasks');
    await page.waitForSelector('text=70 of 70 cancelled');
    await confirm('Close');
    expect((await mesh.tasks()).filter(({ state }) => state === 'cancelled')).toHaveLength(70);
  });

  it('retries the selected tasks after a question, and no others', async () => {
    await show('tasks?state=failed');
    await expect.poll(() => rows().count()).toBe(3);
    const before = (await mesh.tasks()).filter(({ state }) => state === 'failed').map(({ id }) => id);
    const chosen = (await rows().nth(1).getAttribute('data-task')) ?? '';
    await rows().nth(1).locator('input').check();
    await page.click('text=Retry 1…');
    await confirm('No');
    expect((await mesh.task(chosen)).history).toHaveLength(3);
    await page.click('text=Retry 1…');
    await confirm('Yes, retry 1 task');
    await page.waitForSelector('text=1 of 1 queued again');
    await confirm('Close');
    await expect.poll(async () => (await mesh.task(chosen)).history.length).toBeGreaterThan(3);
    for (const id of before.filter((other) => other !== chosen)) expect((await mesh.task(id)).history).toHaveLength(3);
  });

  it('runs a failed task again with changes, as a new task', async () => {
    const [failed] = (await mesh.tasks()).filter(({ state, tags }) => state === 'failed' && tags.repo === 'x');
    await show(`task/${failed?.id}`);
    await page.waitForSelector('dialog .task[data-state=failed]');
    await page.click('dialog >> text=Run again…');
    expect(await page.inputValue('textarea[name=message]')).toBe('fail invalid');
    expect(await page.inputValue('input[name=tags]')).toBe('repo=x team=blue');
    await page.fill('textarea[name=message]', 'works now');
    await page.fill('input[name=timeout]', '5m');
    await page.locator('form.enqueue button[type=submit]').click();
    await page.waitForSelector('dialog .task[data-state=completed]');
    const id = page.url().split('/task/')[1] ?? '';
    expect(id).not.toBe(failed?.id);
    expect(await mesh.task(id)).toMatchObject({
      message: 'works now',
      tags: { repo: 'x', team: 'blue' },
      attempts: { max: 1 },
      timeoutMs: 300_000,
    });
  });

  it('removes problems by their buttons: resumes a pool, closes a circuit, forgets a node, retries failed tasks', async () => {
    await show('');
    const problem = (text: string) => page.locator('.problems li', { hasText: text });
    await problem('pool night is paused').locator('button').click();
    await confirm('Yes, resume pool');
    await expect.poll(() => problem('pool night is paused').count()).toBe(0);
    await problem('anthropic/claude are held').locator('button').click();
    await confirm('Yes, close circuit');
    await expect.poll(() => problem('are held').count()).toBe(0);
    await problem('node mac-2 is dead').locator('button', { hasText: 'Forget' }).click();
    await confirm('Yes, forget node');
    await expect.poll(() => problem('node mac-2 is dead').count()).toBe(0);
    await problem('failed task').locator('button', { hasText: 'Acknowledge' }).click();
    await confirm('Yes, acknowledge');
    await page.waitForSelector('text=/of \\d+ acknowledged/');
    await confirm('Close');
    await expect.poll(() => problem('failed task').count()).toBe(0);
    const { problems } = await mesh.snapshot();
    expect(problems.map(({ what }) => what).join()).not.toMatch(/paused|are held|is dead|failed task/);
  });

  it('shows pools with their times, circuits, events and usage', async () => {
    await show('pools');
    await page.waitForSelector('section:has(#times-title) tbody tr');
    expect(await page.textContent('section:has(#times-title) tbody')).toMatch(/default\d+/);
    await show('events?event=node-dead');
    await page.waitForSelector('tbody tr');
    expect(await page.locator('tbody tr').count()).toBe(1);
    expect(await page.textContent('tbody')).toContain('mac-2');
    await show('usage');
    await page.waitForSelector('tbody tr');
    expect(await page.textContent('figcaption')).toBe('144K tokens in 30 days; at most 72K a day');
    await show('circuits');
    expect(await page.textContent('main')).toContain('Circuits');
    await page.goto(`${url}#/nothing`);
    await page.waitForSelector('text=There is no such page');
  });

  it('adds, pauses and removes a schedule', async () => {
    await show('schedules');
    await page.waitForSelector('tbody tr');
    await page.click('text=Add schedule');
    await page.fill('dialog input[name=name]', 'watch');
    await page.fill('dialog textarea[name=message]', 'look at the build');
    await page.fill('dialog input[name=cron]', '99 * * * *');
    await confirm('Add');
    await page.waitForSelector('dialog .error');
    await page.locator('dialog label', { hasText: 'at an interval' }).click();
    await page.fill('dialog input[name=every]', '12h');
    await confirm('Add');
    const row = page.locator('tbody tr', { hasText: 'watch' });
    await expect.poll(() => row.count()).toBe(1);
    expect(await row.textContent()).toContain('every 12h');
    await row.locator('button', { hasText: 'Pause' }).click();
    await confirm('Yes, pause');
    await expect.poll(() => row.locator('.gated').count()).toBe(1);
    await row.locator('button', { hasText: 'Remove' }).click();
    await confirm('Yes, remove');
    await expect.poll(() => row.count()).toBe(0);
    // The browser notes the refused cron line.
    expect(faults.filter((fault) => !/status of 400/.test(fault))).toEqual([]);
  });
});
