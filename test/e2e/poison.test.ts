import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readUsage } from '../../src/queue/usage.ts';
import { emptyFolder } from '../support/folders.ts';
import { reservePort } from '../support/ports.ts';
import { ProcessMesh } from '../support/process-mesh.ts';

let mesh: ProcessMesh;

beforeEach(async () => {
  const bin = join(emptyFolder(), 'openclaw');
  // What the task's message says is what the run has used.
  writeFileSync(
    bin,
    `#!/bin/sh
[ "$1" = --version ] && { echo "OpenClaw 2026.9.6 (test)"; exit 0; }
echo "{\\"ok\\":true,\\"final\\":\\"done\\",\\"usage\\":$(cat)}"
`,
  );
  chmodSync(bin, 0o755);
  mesh = await ProcessMesh.start({ openclaw: `mode: exec, exec: {bin: "${bin}"}` });
});
afterEach(() => mesh.stop());

it('completes every task once on a node with one slot, whatever usage OpenClaw reports', async () => {
  const port = await reservePort();
  mesh.config = mesh.configWith(`node: {pools: {default: 1}, listen: "127.0.0.1:${port}"}\n`);
  await mesh.startNode('mac-1');
  const usages = [
    '{"input":11.5,"output":2}',
    '{"input":-5,"output":1}',
    '{"input":1e300,"output":1}',
    '{"input":1e999,"output":1}',
    '{"input":"many","output":1}',
    '{"input":1,"output":1,"cost":{"total":-3}}',
    '{"input":1,"output":1,"cost":{"total":1e999}}',
    '[]',
    '"none"',
  ];
  const ids = await mesh.queue(...usages.map((message) => ({ message })));
  for (const id of ids) await mesh.taskState(id, 'completed');
  for (const id of ids) expect(await mesh.task(id)).toMatchObject({ attempts: { made: 1 } });
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(metrics).toMatch(new RegExp(`clawmesh_runs_total\\{[^}]*outcome="completed"[^}]*\\} ${usages.length}\n`));
  const { redis, keys } = await mesh.store();
  expect(await readUsage(redis, keys, 1)).toMatchObject([{ tasks: 3, input: 14, output: 4, total: 18, cost: null }]);
});
