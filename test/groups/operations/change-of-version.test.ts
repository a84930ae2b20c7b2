import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Node } from '../../../src/domain/node.ts';
import { emptyFolder } from '../../support/folders.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

const NODES = ['mac-1', 'mac-2', 'mac-3'];

describe('a change of the pinned OpenClaw, node by node', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
  });
  afterEach(() => mesh.stop());

  it('runs no task with a version other than the pinned one', async () => {
    const log = join(emptyFolder(), 'runs');
    const folders = new Map(NODES.map((id) => [id, emptyFolder()]));
    const pinned = (version: string) => mesh.configText('', { openclaw: `mode: exec, version: ${version}` });
    const configs = new Map(NODES.map((id) => [id, join(emptyFolder(), 'clawmesh.yaml')]));
    const configOf = (id: string) => configs.get(id) ?? '';
    const install = (id: string, version: string) => {
      const bin = join(folders.get(id) ?? '', 'openclaw');
      writeFileSync(
        `${bin}.new`,
        `#!/bin/sh\n[ "$1" = --version ] && { echo "OpenClaw ${version} (test)"; exit 0; }\n` +
          `echo "${id} ${version}" >> ${log}\ncat > /dev/null\nsleep 0.4\necho '{"ok":true,"final":"done"}'\n`,
      );
      chmodSync(`${bin}.new`, 0o755);
      renameSync(`${bin}.new`, bin);
    };
    for (const id of NODES) {
      writeFileSync(configOf(id), pinned('2026.9.5'));
      install(id, '2026.9.5');
      await mesh.startNode(id, { config: configOf(id), env: { PATH: `${folders.get(id)}:${process.env.PATH}` } });
    }
    mesh.config = configOf('mac-1');
    await mesh.queueMany(2_000, 'hello');
    const seen = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
    for (const id of NODES) {
      await mesh.cli('node', 'drain', id);
      await expect
        .poll(async () => (await mesh.tasks()).filter((t) => t.state === 'active' && t.node === id))
        .toEqual([]);
      install(id, '2026.9.6');
      // From here on a run of this node with the old pin, or of the old version, is wrong.
      const before = seen().length;
      const since = () =>
        seen()
          .slice(before)
          .filter((line) => line.startsWith(id));
      writeFileSync(configOf(id), pinned('2026.9.6'));
      mesh.node(id).signal('SIGHUP');
      await mesh.node(id).waitFor(/"version":"2026.9.6".*openclaw checked/);
      expect(since()).toEqual([]);
      await mesh.cli('node', 'resume', id);
      await expect.poll(() => since().length).toBeGreaterThan(2);
      expect(new Set(since())).toEqual(new Set([`${id} 2026.9.6`]));
    }
    // One that was forgotten: it has the old version, and takes nothing.
    writeFileSync(configOf('mac-2'), pinned('2026.9.7'));
    mesh.node('mac-2').signal('SIGHUP');
    await mesh.nodeState('mac-2', 'gated');
    await expect.poll(async () => (await mesh.nodeRecord('mac-2')).running).toEqual([]);
    const { gates } = (await mesh.json('node', 'show', 'mac-2')) as Node;
    expect(gates.find(({ name }) => name === 'openclaw-version')).toMatchObject({ open: false });
  });
});
