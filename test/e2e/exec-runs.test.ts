import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { emptyFolder } from '../support/folders.ts';
import { ProcessMesh } from '../support/process-mesh.ts';
import { isRunning } from '../support/processes.ts';

describe('runs of a real daemon in exec mode', () => {
  let mesh: ProcessMesh | undefined;
  afterEach(() => mesh?.stop());

  /** A mesh whose openclaw does what the message says, as a shell script; `$HERE` is the folder that is returned. */
  const start = async (config = '') => {
    const folder = emptyFolder();
    const bin = join(folder, 'openclaw');
    const version = '[ "$1" = --version ] && { echo "OpenClaw 2026.9.6"; exit 0; }';
    writeFileSync(bin, `#!/bin/sh\n${version}\nHERE='${folder}'\neval "$(cat)"\necho '{"ok":true,"final":"done"}'\n`);
    chmodSync(bin, 0o755);
    mesh = await ProcessMesh.start({ openclaw: `mode: exec, exec: {bin: "${bin}"}`, config });
    return { mesh, folder, pid: (name: string) => Number(readFileSync(join(folder, name), 'utf8')) };
  };

  it('passes nothing to a run that is only for the daemon', async () => {
    const { mesh, folder } = await start('security: {signingKey: "${SIGNING_KEY}"}\n');
    const secrets = {
      SIGNING_KEY: 'the-key-that-signs-tasks',
      COPY_OF_IT: 'the-key-that-signs-tasks',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer of-the-collector',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-key=of-the-traces',
    };
    Object.assign(process.env, { SIGNING_KEY: secrets.SIGNING_KEY });
    try {
      await mesh.startNode('mac-1', { env: { ...secrets, KEPT_FOR_AGENTS: 'yes' } });
      const id = await mesh.queueOne('env > "$HERE/env"');
      await mesh.taskState(id, 'completed');
    } finally {
      delete process.env.SIGNING_KEY;
    }
    const env = readFileSync(join(folder, 'env'), 'utf8');
    expect(env).toContain('KEPT_FOR_AGENTS=yes');
    for (const [name, value] of Object.entries(secrets)) {
      expect(env).not.toContain(name);
      expect(env).not.toContain(value);
    }
  });

  it('keeps its lease and its other runs, whatever a run prints', async () => {
    const { mesh, folder } = await start();
    await mesh.startNode('mac-1');
    const neighbour = await mesh.queueOne('while [ ! -e "$HERE/go" ]; do sleep 0.1; done');
    await mesh.taskState(neighbour, 'active');
    await mesh.startNode('mac-2');
    const line = (unit: string) => `yes '${unit}' | head -c 2000000 | tr -d '\\n' >&2`;
    const ids = await mesh.queue(...['a.a.a.', '-eyJa', 'Bearer Bearer'].map((unit) => ({ message: line(unit) })));
    for (const id of ids) await mesh.taskState(id, 'completed');
    writeFileSync(join(folder, 'go'), '');
    await mesh.taskState(neighbour, 'completed');
    expect(await mesh.handovers()).toEqual([]);
  });

  it.runIf(process.platform === 'linux')(
    'ends leftovers of runs at the next start before it claims, even if daemon and watchdog were killed',
    async () => {
      const { mesh, folder, pid } = await start();
      await mesh.startNode('mac-1');
      const stay = `trap '' TERM; echo $$ > "$0/away"; while :; do sleep 1; done`;
      const away = `setsid sh -c '${stay.replaceAll("'", `'\\''`)}' "$HERE" &`;
      // The watch goes first, as when the machine runs out of memory; the run itself hangs on.
      const watch = 'for p in $(ps -o pid= --ppid $$); do grep -q clawmesh-run /proc/$p/cmdline && kill -9 $p; done';
      const id = await mesh.queueOne(`[ -e "$HERE/away" ] || { ${watch}; ${away} echo $$ > "$HERE/run"; sleep 600; }`);
      await expect
        .poll(() => ['away', 'run'].every((name) => existsSync(join(folder, name)) && pid(name) > 0))
        .toBe(true);
      await mesh.kill('mac-1');
      expect([isRunning(pid('run')), isRunning(pid('away'))]).toEqual([true, true]);
      await mesh.startNode('mac-1');
      expect([isRunning(pid('run')), isRunning(pid('away'))]).toEqual([false, false]);
      await mesh.taskState(id, 'completed');
    },
  );
});
