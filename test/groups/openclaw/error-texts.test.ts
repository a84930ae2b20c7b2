import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ERROR_TEXTS, VERDICTS } from '../../../src/runners/openclaw-errors.ts';
import { runCli } from '../../support/cli.ts';
import { FakeProvider } from '../../support/fake-provider.ts';
import { emptyFolder } from '../../support/folders.ts';
import { openclawHome } from '../../support/openclaw.ts';
import { openclawBin, openclawFolder } from '../../support/openclaw-paths.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

describe('the table of OpenClaw’s error texts', () => {
  it('contains only texts of OpenClaw’s package', () => {
    const dist = join(openclawFolder, 'node_modules', 'openclaw', 'dist');
    const missing = new Set([...ERROR_TEXTS.map(({ source }) => source), ...Object.keys(VERDICTS)]);
    for (const file of readdirSync(dist).filter((name) => name.endsWith('.mjs'))) {
      const text = readFileSync(join(dist, file), 'utf8');
      for (const source of missing) if (text.includes(source)) missing.delete(source);
    }
    expect([...missing]).toEqual([]);
  });
});

describe('an OpenClaw that was never onboarded', () => {
  let mesh: ProcessMesh;
  beforeEach(async () => {
    mesh = await ProcessMesh.start({
      openclaw: `mode: exec, exec: {bin: "${openclawBin}"}`,
      config: 'node: {pools: {default: 1}}\n',
    });
  });
  afterEach(() => mesh.stop());

  /** A home without anything, and nothing in the environment that OpenClaw could log in with. */
  const neverOnboarded = () => {
    const home = emptyFolder();
    return { HOME: home, OPENCLAW_STATE_DIR: join(home, 'state'), OPENCLAW_CONFIG_PATH: join(home, 'openclaw.json') };
  };

  it('fails one task, closes the gate of its node, and lets doctor name the remedy', async () => {
    const node = await mesh.startNode('mac-1', { env: neverOnboarded() });
    const ids = [await mesh.enqueue('one', '--attempts', '1'), await mesh.enqueue('two', '--attempts', '1')];
    await mesh.taskState(ids[0] as string, 'failed');
    expect((await mesh.task(ids[0] as string)).error).toMatchObject({
      kind: 'auth',
      message: 'No route-compatible authentication source is configured for openai.',
    });
    await node.waitFor(/"gate":"auth"/);
    await mesh.nodeState('mac-1', 'gated');
    expect((await mesh.task(ids[1] as string)).state).toBe('waiting');

    const { code, stdout } = await runCli(['--config', mesh.config, 'doctor'], { env: neverOnboarded() });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /✗ openclaw-login +every task would fail here: OpenClaw has no login for openai.*\n +→ .*openclaw onboard/,
    );
    expect(stdout).toMatch(/✗ mesh +node mac-1 claims no tasks: .*refuses the login/);
  });

  it('distinguishes an OpenClaw without a login from one with a login', async () => {
    const provider = await FakeProvider.start();
    const { env } = openclawHome(provider.baseUrl, 1);
    const { stdout } = await runCli(['--config', mesh.config, 'doctor'], { env });
    await provider.stop();
    expect(stdout).toMatch(/✓ openclaw-login/);
  });
});
