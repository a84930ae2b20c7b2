import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/program.ts';
import { taskError } from '../../src/domain/task.ts';
import { writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { captureOutput } from '../support/in-process-output.ts';
import { claimNext, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

describe('a task that is run again, and its result', () => {
  let server: TestRedis;
  let mesh: TestMesh;
  let config: string;
  const output = captureOutput();

  beforeAll(async () => {
    server = await startRedis();
    mesh = await openTestMesh(server.url, 'r');
    config = writeConfig(`mesh: r\nredis: {url: "${server.url}"}\n`);
  });
  afterAll(async () => {
    await mesh.close();
    await server.stop();
  });

  const cli = async (...args: string[]) => {
    output.clear();
    const code = await runCli(['--config', config, ...args]);
    return { code, stdout: output.stdout.trim(), stderr: output.stderr.trim() };
  };
  const queued = async (fields: Parameters<typeof newTask>[0] = {}) => {
    const [task] = await mesh.producer.enqueue([newTask(fields)]);
    return task?.id ?? '';
  };
  const count = async () => (await mesh.reader.list({ limit: 1_000 })).length;
  /** An editor that does this to the file; `$1` is its path. */
  const editor = (script: string) => {
    const file = join(emptyFolder(), 'editor');
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
    vi.stubEnv('VISUAL', '');
    vi.stubEnv('EDITOR', file);
  };

  it('is a new task with the same input, changed by the options', async () => {
    const id = await queued({ message: 'build', agent: 'coder', tags: { repo: 'x' }, key: 'k', timeoutMs: 5_400_000 });
    const { code, stdout } = await cli('task', 'rerun', id, '--model', 'p/m', '--tag', 'by=ada');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^[0-9a-z]{26}$/)]);
    expect(stdout).not.toBe(id);
    expect(await mesh.reader.get(stdout)).toMatchObject({
      message: 'build',
      agent: 'coder',
      model: 'p/m',
      key: null,
      tags: { repo: 'x', by: 'ada' },
      timeoutMs: 5_400_000,
    });
  });

  it('is edited as YAML in the editor of the user, and only that user can read the file', async () => {
    const id = await queued({ message: 'first\nline' });
    const seen = join(emptyFolder(), 'seen');
    editor(`cp "$1" ${seen}; ls -l "$1" >> ${seen}; sed -i.bak 's/^  first/  second/' "$1"`);
    const { code, stdout } = await cli('task', 'rerun', id, '--edit', '--pool', 'xcode');
    expect(code).toBe(0);
    expect(await mesh.reader.get(stdout)).toMatchObject({ message: 'second\nline', pool: 'xcode' });
    expect(readFileSync(seen, 'utf8')).toMatch(/^# The input of a new task like .*pool: xcode.*^-rw-------/ms);
  });

  it('queues nothing if the editor fails, the file is empty or the edit is wrong, which is kept', async () => {
    const id = await queued();
    const before = await count();
    editor('exit 7');
    expect(await cli('task', 'rerun', id, '--edit')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/exit code 7/),
    });
    editor(': > "$1"');
    expect(await cli('task', 'rerun', id, '--edit')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is empty \(nothing was queued/),
    });
    for (const wrong of ['timeout: soon', 'timout: 1h', 'a: [']) {
      editor(`echo '${wrong}' >> "$1"`);
      const { code, stderr } = await cli('task', 'rerun', id, '--edit');
      expect([code, stderr]).toEqual([2, expect.stringMatching(/^clawmesh: [^\n]*nothing was queued[^\n]*$/)]);
      const [, kept = ''] = /your edit is kept in (\S+?)\)?$/.exec(stderr) ?? [];
      expect(readFileSync(kept, 'utf8')).toContain(wrong);
    }
    expect(await count()).toBe(before);
  });

  it('is refused, and nothing is queued, for an unknown task and for a wrong option', async () => {
    const id = await queued();
    const before = await count();
    expect((await cli('task', 'rerun', 'nosuch')).code).toBe(4);
    expect(await cli('task', 'rerun', id, '--timeout', 'soon')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/timeout: expected/),
    });
    await mesh.redis.hset(mesh.keys.task('default', id), 'data', '{"other":"program"}');
    expect(await cli('task', 'rerun', id)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/another program has queued it/),
    });
    expect(await count()).toBe(before);
  });

  it('prints only the answer, and fails with the reason if there is none', async () => {
    const node = await mesh.node('mac-1', { pool: 'res' });
    const [done, failed, open] = [
      await queued({ pool: 'res' }),
      await queued({ pool: 'res' }),
      await queued({ pool: 'o' }),
    ];
    expect((await claimNext(node)).taskId).toBe(done);
    const claim = await claimNext(node);
    await node.log(claim, [`${new Date().toISOString()} it broke here`], undefined);
    await node.report(claim, { ok: false, error: taskError('invalid', 'bad prompt') });
    expect(await cli('task', 'result', done)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/is active .*task wait/),
    });
    expect(await cli('task', 'result', open)).toMatchObject({ code: 1, stderr: expect.stringMatching(/is waiting/) });
    expect(await cli('task', 'result', failed)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/failed: invalid: bad prompt/),
    });
    expect(await cli('task', 'show', failed, '--log-failed')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/it broke here$/),
      stderr: 'attempt 1 on mac-1 failed: bad prompt',
    });
    expect(await cli('task', 'show', done, '--log-failed')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no attempt .* has failed/),
    });
  });

  it('prints the answer as the agent gave it', async () => {
    const node = await mesh.node('mac-2', { pool: 'answer' });
    const id = await queued({ pool: 'answer' });
    await node.report(await claimNext(node), { ...success, result: { ...success.result, text: 'two\nlines' } });
    expect(await cli('task', 'result', id)).toEqual({ code: 0, stdout: 'two\nlines', stderr: '' });
  });
});
