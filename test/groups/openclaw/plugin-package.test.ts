import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { cleanEnv } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { openclawEntry } from '../../support/openclaw-paths.ts';

it('the plugin installs in the real OpenClaw from a package, with its tools, its command and its skill', () => {
  const home = emptyFolder();
  const state = join(home, 'state');
  mkdirSync(state);
  const env = cleanEnv({ HOME: home, OPENCLAW_STATE_DIR: state });
  const openclaw = (...args: string[]) =>
    execFileSync(process.execPath, [openclawEntry, ...args], { env, cwd: home, encoding: 'utf8' });
  const packed = execFileSync('npm', ['pack', resolve('openclaw-plugin'), '--silent'], { cwd: home, encoding: 'utf8' });
  openclaw('plugins', 'install', `npm-pack:./${packed.trim()}`, '--force', '--accept-capabilities');
  const { plugin } = JSON.parse(openclaw('plugins', 'inspect', 'clawmesh', '--runtime', '--json'));
  expect(plugin).toMatchObject({
    status: 'loaded',
    toolNames: ['mesh_enqueue', 'mesh_status', 'mesh_task', 'mesh_cancel'],
    commands: ['mesh'],
  });
  expect(openclaw('skills', 'list')).toMatch(/ready.*clawmesh/);
});
