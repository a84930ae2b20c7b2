import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser, watchedPage } from '../../support/browser.ts';
import { CliProcess, runCli } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { reservePort } from '../../support/ports.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

describe.skipIf(process.platform === 'darwin')('--web', () => {
  let mesh: ProcessMesh;
  let server: CliProcess;
  let browser: Browser;
  let url: string;
  let env: NodeJS.ProcessEnv;
  /** The link that the command has given to the program that opens browsers. */
  let opened: string;
  const cli = (...args: string[]) => runCli(['--config', mesh.config, ...args], { env });

  beforeAll(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
    const port = await reservePort();
    mesh.config = mesh.configWith(`dashboard: {port: ${port}}\n`);
    url = `http://127.0.0.1:${port}/`;
    const bin = emptyFolder();
    opened = join(bin, 'opened');
    writeFileSync(join(bin, 'xdg-open'), `#!/bin/sh\nprintf %s "$1" > '${opened}'\n`);
    chmodSync(join(bin, 'xdg-open'), 0o755);
    env = { PATH: `${bin}:${process.env.PATH}`, CLAWMESH_HOME: emptyFolder() };
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.kill();
    await mesh?.stop();
  });

  it('says how to start a dashboard if none replies, and opens nothing', async () => {
    expect(await cli('status', '--web')).toEqual({
      code: 1,
      stdout: '',
      stderr: `clawmesh: no dashboard replies at ${url} (start one: clawmesh dashboard)\n`,
    });
    expect(existsSync(opened)).toBe(false);
  });

  it('opens the page of a task in the browser, logged in', async () => {
    server = new CliProcess(['--config', mesh.config, 'dashboard'], env);
    await server.waitFor(/dashboard of mesh/);
    const id = await mesh.queueOne('the message of this task');
    const { code, stdout, stderr } = await cli('task', 'show', id, '--web');
    expect([code, stdout, stderr]).toEqual([0, '', `opening ${url}#/task/${id} in the browser\n`]);
    const { page, faults } = await watchedPage(browser, url);
    await page.goto(readFileSync(opened, 'utf8'));
    await page.waitForSelector('dialog:has-text("the message of this task")');
    expect(page.url()).toBe(`${url}#/task/${id}`);
    expect(faults).toEqual([]);
    await page.close();
  });

  it('fails if the program that opens browsers does', async () => {
    const failing = emptyFolder();
    writeFileSync(join(failing, 'xdg-open'), '#!/bin/sh\nexit 3\n');
    chmodSync(join(failing, 'xdg-open'), 0o755);
    const { code, stderr } = await runCli(['--config', mesh.config, 'task', 'list', '--web'], {
      env: { ...env, PATH: `${failing}:${process.env.PATH}` },
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining('xdg-open could not open a browser')]);
  });
});
