import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGES } from '../../../src/ops/dashboard/page/route.ts';
import { openBrowser, watchedPage } from '../../support/browser.ts';
import type { CliProcess } from '../../support/cli.ts';
import { startBusyMesh, TOKEN } from '../../support/dashboard-mesh.ts';
import type { ProcessMesh } from '../../support/process-mesh.ts';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];
const NAMES = Object.keys(PAGES);
/** 1280 × 860 at 100 %; a phone; the first at 200 % and at 400 %. */
const DESKTOP = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };
const ZOOMED = [
  { zoom: '200 %', width: 640, height: 430 },
  { zoom: '400 %', width: 320, height: 215 },
];

describe('the accessibility of the dashboard', () => {
  let mesh: ProcessMesh;
  let server: CliProcess;
  let browser: Browser;
  let page: Page;
  let url: string;

  beforeAll(async () => {
    ({ mesh, server, url } = await startBusyMesh());
    browser = await openBrowser();
    ({ page } = await watchedPage(browser, url));
  });
  afterAll(async () => {
    await browser?.close();
    await server?.kill();
    await mesh?.stop();
  });

  /** What axe finds, as one line per element. */
  const violations = async () => {
    if (!(await page.evaluate<boolean>('"axe" in window'))) await page.evaluate(axe.source);
    const found = await page.evaluate<axe.AxeResults>(
      `axe.run(document, { resultTypes: ['violations'], runOnly: ${JSON.stringify(RULES)} })`,
    );
    return found.violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary?.replace(/\s+/g, ' ')}`),
    );
  };

  const show = async (name: string) => {
    await page.goto(`${url}#/${name}`);
    await page.waitForSelector(`nav.pages a[aria-current][href="#/${name.split('?', 1)[0]}"]`);
    await page.waitForSelector('main .panel');
    // The page's own data has arrived.
    if (name !== '' && name !== 'handovers') await page.waitForSelector('main .panel tbody tr');
  };

  it('has no violation of WCAG 2.1 AA on the login page', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.goto(`${url}login`);
      await page.waitForSelector('input[name=token]');
      expect(await violations()).toEqual([]);
    }
    await page.fill('input[name=token]', TOKEN);
    await page.click('text=Log in');
    await page.waitForSelector('.card');
  });

  describe.each(['light', 'dark'] as const)('in %s colours', (colorScheme) => {
    it.each(NAMES)('has no violation of WCAG 2.1 AA on page "%s", on a desktop and on a phone', async (name) => {
      await page.emulateMedia({ colorScheme });
      for (const size of [DESKTOP, PHONE]) {
        await page.setViewportSize(size);
        await show(name);
        expect({ size: size.width, found: await violations() }).toEqual({ size: size.width, found: [] });
        expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(size.width);
      }
    });

    it('has no violation of WCAG 2.1 AA in any dialog', async () => {
      await page.emulateMedia({ colorScheme });
      const dialogs: [string, string, string][] = [
        ['tasks', 'tr[data-task] td.message a', 'dialog .history'],
        ['tasks', 'button:has-text("Enqueue")', 'dialog textarea'],
        ['tasks?state=failed', 'button:has-text("Retry all matching")', 'dialog button.primary'],
        ['schedules', 'button:has-text("Add schedule")', 'dialog input[name=cron]'],
        ['pools', 'tr[data-pool] button', 'dialog button.primary'],
      ];
      for (const size of [DESKTOP, PHONE]) {
        await page.setViewportSize(size);
        for (const [name, opener, shown] of dialogs) {
          await show(name);
          await page.locator(opener).first().click();
          await page.waitForSelector(shown);
          expect({ opener, size: size.width, found: await violations() }).toEqual({
            opener,
            size: size.width,
            found: [],
          });
          await page.keyboard.press('Escape');
          await expect.poll(() => page.locator('dialog').count()).toBe(0);
        }
      }
    });
  });

  it.each(ZOOMED)('shows every page at $zoom zoom without scrolling it sideways', async ({ width, height }) => {
    await page.setViewportSize({ width, height });
    for (const name of NAMES) {
      await show(name);
      const widest = await page.evaluate<number>('document.documentElement.scrollWidth');
      expect({ name, widest: Math.max(width, widest) }).toEqual({ name, widest: width });
    }
  });

  it('leads the keyboard past the navigation, to each page, and into its dialogs and back', async () => {
    await page.setViewportSize(DESKTOP);
    await page.goto('about:blank');
    await show('');
    const focused = () => page.evaluate<string>('document.activeElement.textContent || document.activeElement.id');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate<string>('document.activeElement.id')).toBe('content');

    await page.locator('nav.pages a', { hasText: 'Tasks' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('tr[data-task]');
    expect(await page.evaluate<string>('document.activeElement.id')).toBe('content');

    const first = page.locator('tr[data-task] input[type=checkbox]').first();
    await first.focus();
    await page.keyboard.press('Space');
    expect(await first.isChecked()).toBe(true);

    const link = page.locator('tr[data-task] td.message a').first();
    await link.focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog .history');
    expect(await page.evaluate<boolean>('document.activeElement.closest("dialog") !== null')).toBe(true);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('dialog').count()).toBe(0);
    expect(page.url()).toContain('#/tasks');
  });
});
