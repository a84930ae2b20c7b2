import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configEnvironment } from '../../src/config/env-file.ts';
import { loadConfig } from '../../src/config/load.ts';
import { emptyFolder } from '../support/folders.ts';

describe('the secrets file beside the config', () => {
  const withSecrets = (text: string, mode = 0o600) => {
    const folder = emptyFolder();
    const file = join(folder, 'clawmesh.env');
    writeFileSync(file, text);
    chmodSync(file, mode);
    return { config: join(folder, 'clawmesh.yaml'), file };
  };

  it('adds variables that the environment lacks, without changing the environment', () => {
    const { config } = withSecrets('# of this mesh\nA=from-file\nB="with spaces" # why\n');
    const env = { A: 'from-shell' };
    expect(configEnvironment(config, env)).toEqual({ A: 'from-shell', B: 'with spaces' });
    expect(env).toEqual({ A: 'from-shell' });
    writeFileSync(config, 'dashboard: {token: "${B}"}\n');
    expect(loadConfig({ file: config, env }).config.dashboard.token).toBe('with spaces');
  });

  it('may be in another place, and may be absent', () => {
    const { file } = withSecrets('A=1\n');
    expect(configEnvironment('/nowhere/clawmesh.yaml', { CLAWMESH_ENV_FILE: file })).toMatchObject({ A: '1' });
    expect(configEnvironment('/nowhere/clawmesh.yaml', { B: '2' })).toEqual({ B: '2' });
    expect(() => configEnvironment('/nowhere/c.yaml', { CLAWMESH_ENV_FILE: '/nowhere/env' })).toThrow(/nowhere.env/);
  });

  it.each([0o640, 0o604, 0o602, 0o666])('refuses a secrets file that other users may read or write (%o)', (mode) => {
    const { config, file } = withSecrets('A=hunter2\n', mode);
    const refused = () => configEnvironment(config, {});
    expect(refused).toThrow(`${file}: contains secrets, and other users may read or write it`);
    expect(refused).not.toThrow(/hunter2/);
  });
});
