import { parseArgs } from 'node:util';
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { openBrowser } from '../test/support/browser.ts';
import { CliProcess, writeConfig } from '../test/support/cli.ts';
import { beat, fillMesh } from '../test/support/filled-mesh.ts';
import { openTestMesh } from '../test/support/pool.ts';
import { reservePort } from '../test/support/ports.ts';
import { SpawnedRedis } from '../test/support/redis.ts';

// The dashboard of a large mesh in Chromium: how soon the first lane is there, how it pans, and what it costs while
// nothing happens but heartbeats. Build first. Goals for 50 nodes and 10,000 tasks on 2 cores: first lane within 1 s,
// 30 frames per second, 5 KB/s, 60 MB of heap.
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '50' },
    tasks: { type: 'string', default: '10000' },
    hours: { type: 'string', default: '1' },
  },
});
const NODES = Array.from({ length: Number(values.nodes) }, (_, index) => `mac-${index + 1}`);
const TASKS = Number(values.tasks);
const SPAN_MS = Number(values.hours) * 3_600_000;
const BEAT_MS = 5_000;
const ROUNDS = 5;
const PAN_MS = 4_000;
const WATCH_MS = 20_000;
const TOKEN = 'token of this bench';
const LOOK = { viewport: { width: 1_280, height: 860 } };
/** Notes in the page when it first has a lane to draw: the time since the browser was sent there, ms. */
const NOTE_LANE = `new MutationObserver(() => {
  if (document.querySelector('.lane')) requestAnimationFrame(() => (window.laneAt ??= performance.now()));
}).observe(document, { childList: true, subtree: true })`;
const COUNT_FRAMES = `(() => {
  window.frameTimes = [];
  const note = (at) => { window.frameTimes.push(at); requestAnimationFrame(note); };
  requestAnimationFrame(note);
})()`;

const server = await SpawnedRedis.start();
const port = await reservePort();
const url = `http://127.0.0.1:${port}/`;
const config = writeConfig(
  `mesh: large\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\ndashboard: {port: ${port}, token: "${TOKEN}"}\n`,
);
const mesh = await openTestMesh(server.url, 'large');
await fillMesh(mesh, { nodes: NODES, tasks: TASKS, spanMs: SPAN_MS });
const beats = setInterval(() => {
  const turn = Math.floor((Date.now() % BEAT_MS) / (BEAT_MS / 10));
  // A tenth of the nodes at a time, as real ones beat when they like.
  for (const [index, id] of NODES.entries()) if (index % 10 === turn) void beat(mesh, id).catch(() => {});
}, BEAT_MS / 10);
const dashboard = new CliProcess(['--config', config, 'dashboard']);
await dashboard.waitFor(/dashboard of mesh/);
const browser = await openBrowser();
try {
  console.log(`${NODES.length} nodes, ${TASKS} tasks over ${values.hours} h`);
  const context = await loggedIn(browser);
  console.log(`first lane         ${(await firstLanes(context)).join(', ')} ms`);
  await measurePage(context);
} finally {
  await browser.close();
  clearInterval(beats);
  await dashboard.kill();
  await mesh.close();
  await server.stop();
}

async function loggedIn(from: Browser): Promise<BrowserContext> {
  const context = await from.newContext(LOOK);
  const page = await context.newPage();
  await page.goto(url);
  await page.fill('input[name=token]', TOKEN);
  await page.click('text=Log in');
  await page.waitForSelector('.card');
  await page.close();
  return context;
}

async function firstLanes(context: BrowserContext): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const page = await context.newPage();
    await page.addInitScript(NOTE_LANE);
    await page.goto(url);
    times.push(Math.round(await once(page, 'window.laneAt')));
    await page.close();
  }
  return times.sort((a, b) => a - b);
}

async function measurePage(context: BrowserContext): Promise<void> {
  const page = await context.newPage();
  await page.goto(url);
  const devtools = await context.newCDPSession(page);
  await devtools.send('Performance.enable');
  await devtools.send('Network.enable');
  const startedAt = performance.now();
  await page.selectOption('select[aria-label="Time range"]', String(Math.max(SPAN_MS, 3_600_000)));
  await once(
    page,
    `/${(TASKS * 0.99).toLocaleString('en').slice(0, 3)}|${TASKS.toLocaleString('en').slice(0, 3)}/.test(document.querySelector('.shown-period').textContent)`,
  );
  console.log(
    `all runs shown     after ${Math.round(performance.now() - startedAt)} ms: ${await page.textContent('.shown-period')}`,
  );
  await panning(page);
  let received = 0;
  devtools.on('Network.dataReceived', ({ dataLength }) => {
    received += dataLength;
  });
  const before = await metrics(devtools);
  await page.waitForTimeout(WATCH_MS);
  const after = await metrics(devtools);
  console.log(`idle traffic       ${(received / WATCH_MS).toFixed(2)} KB/s`);
  console.log(
    `idle page          ${((after.TaskDuration - before.TaskDuration) / (WATCH_MS / 100_000)).toFixed(1)} % of a core`,
  );
  await devtools.send('HeapProfiler.collectGarbage');
  console.log(`heap               ${((await metrics(devtools)).JSHeapUsedSize / 1e6).toFixed(1)} MB`);
}

/** Drags the lanes to and fro. */
async function panning(page: Page): Promise<void> {
  const box = await page.locator('.lanes').boundingBox();
  if (!box) throw new Error('no lanes');
  const [middle, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(middle, y);
  await page.mouse.down();
  await page.evaluate(COUNT_FRAMES);
  const startedAt = performance.now();
  for (let step = 0; performance.now() - startedAt < PAN_MS; step++) {
    await page.mouse.move(middle + 300 * Math.sin(step / 15), y);
  }
  const times = await page.evaluate<number[]>('window.frameTimes');
  await page.mouse.up();
  const gaps = times
    .slice(1)
    .map((time, index) => time - (times[index] ?? time))
    .sort((a, b) => a - b);
  const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000;
  const slowest = Math.round(gaps.at(Math.floor(gaps.length * 0.99)) ?? 0);
  console.log(
    `panning            ${Math.round(gaps.length / seconds)} frames/s, 99th percentile of a frame ${slowest} ms`,
  );
}

/** The value of this expression in the page, as soon as it has one: its policy forbids Playwright's own way to wait. */
async function once(page: Page, expression: string): Promise<number> {
  for (;;) {
    const value = await page.evaluate<number | boolean | undefined>(expression);
    if (value) return Number(value);
    await page.waitForTimeout(20);
  }
}

async function metrics(devtools: CDPSession): Promise<{ TaskDuration: number; JSHeapUsedSize: number }> {
  const { metrics: list } = await devtools.send('Performance.getMetrics');
  const value = (name: string) => list.find((one) => one.name === name)?.value ?? 0;
  return { TaskDuration: value('TaskDuration'), JSHeapUsedSize: value('JSHeapUsedSize') };
}
