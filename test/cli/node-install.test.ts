import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/program.ts';
import { writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { captureOutput } from '../support/in-process-output.ts';

describe('clawmesh node install', () => {
  const output = captureOutput();

  it('has the service run the program that it is part of, here that of the checkout', async () => {
    vi.stubEnv('HOME', emptyFolder());
    vi.stubEnv('CLAWMESH_NODE_ID', 'mac-1');
    const config = writeConfig('mesh: m\n');
    await runCli(['--config', config, '--json', 'node', 'install', '--dry-run', '--manager', 'systemd']);
    const { file, steps } = JSON.parse(output.stdout);
    const { text } = steps.find((step: { do: string; file?: string }) => step.do === 'write' && step.file === file);
    const [, entry = ''] = /^ExecStart="?[^" ]+"? "?([^" ]+)/m.exec(text) ?? [];
    expect(basename(entry)).toBe('main.ts');
    expect(existsSync(entry)).toBe(true);
  });
});
