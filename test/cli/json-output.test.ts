import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/program.ts';
import { taskError } from '../../src/domain/task.ts';
import { CliProcess } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { captureOutput } from '../support/in-process-output.ts';
import { claimNext, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { ProcessMesh } from '../support/process-mesh.ts';
import { aCronJob, StandInGateway } from '../support/stand-in-gateway.ts';

type Tree = { [name: string]: unknown };

/** The schemas as published, except that no object may have a member that its schema does not name. */
const schemas = strict(
  JSON.parse(readFileSync(new URL('../../docs/reference/schema/json-output.json', import.meta.url), 'utf8')),
) as { $defs: Tree };
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true }).addSchema(schemas, 'output');

function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict);
  if (value === null || typeof value !== 'object') return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, child]) => [name, strict(child)]));
  return 'properties' in copy && copy.type === 'object' ? { additionalProperties: false, ...copy } : copy;
}

/** What is not as the schema of this command says; empty if all is well. */
function errorsOf(command: string, document: unknown): unknown[] {
  const name = command.replace(/[ -]+/g, '-');
  const validate = ajv.getSchema(`output#/$defs/${name}`) as ValidateFunction | undefined;
  if (!validate) throw new Error(`no schema for ${command}`);
  return validate(document) ? [] : (validate.errors ?? []);
}

/** Settings that set as many fields of a node as there are. */
const CONFIG = `nodes:
  mac-1: {labels: {os: macos}, maxTasks: 3, allow: {agents: [main, coder], models: [p/m]}}
  mac-2: {}
node: {pools: {default: 2}}
alerts: {command: "cat > /dev/null"}
`;

describe('the JSON that a command prints', () => {
  let mesh: ProcessMesh;
  let lab: TestMesh;
  const output = captureOutput();
  const seen = new Set<string>();

  /** Runs a command in this process, checks the document that it prints, and returns it. `as`: the command's variant. */
  const printed = async (as: string, ...rest: string[]) => {
    output.clear();
    const words = as.split(' ').filter((word) => !word.startsWith('--'));
    await runCli(['--config', mesh.config, '--json', ...words, ...rest]);
    process.exitCode = undefined;
    if (output.stdout === '') throw new Error(`${as} ${rest.join(' ')} printed nothing: ${output.stderr}`);
    const document = JSON.parse(output.stdout);
    seen.add(as);
    expect({ command: [as, ...rest], errors: errorsOf(as, document) }).toEqual({ command: [as, ...rest], errors: [] });
    return document;
  };

  beforeAll(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate', config: CONFIG });
    await mesh.startNodes('mac-1', 'mac-2');
    lab = await openTestMesh(mesh.server.url, 'm');
  });
  afterAll(async () => {
    await lab.close();
    await mesh.stop();
  });

  it('is as documented for tasks in every state', async () => {
    const { tasks } = await printed('enqueue', 'hello', '--tag', 'a=1', '--key', 'k', '--timeout', '1h');
    const [{ id: done }] = tasks;
    await printed('enqueue', 'again', '--key', 'k');
    await printed('enqueue --wait', 'hello', '--wait');
    await printed('enqueue --wait', 'fail invalid', '--wait');
    const file = join(emptyFolder(), 'tasks.jsonl');
    writeFileSync(file, '{"message": "from a file"}\n{"message": "another", "agent": "coder", "session": "s"}\n');
    await printed('enqueue', '--from', file);
    const delayed = await printed('enqueue', 'later', '--delay', '1h');
    const held = await printed('enqueue', 'elsewhere', '--require', 'os=linux');
    const sleeping = await printed('enqueue', 'sleep 1h', '--node', 'mac-2', '--model', 'p/m');
    await mesh.taskState(sleeping.tasks[0].id, 'active');
    await printed('task wait', done);
    for (const id of [done, delayed.tasks[0].id, held.tasks[0].id, sleeping.tasks[0].id])
      await printed('task show', id);
    await printed('task logs', done);
    expect((await printed('task list')).tasks.length).toBeGreaterThan(5);
    await printed('task result', done);
    await printed('task rerun', done, '--message', 'once more');
    for (const more of [[], ['--key', 'k'], ['--pool', 'nosuch'], ['--delay', '1h']])
      await printed('enqueue --dry-run', 'hello', '--dry-run', ...more);
    expect((await printed('enqueue --dry-run', '--from', file, '--dry-run')).count).toBe(2);
    await printed('task cancel', delayed.tasks[0].id);
    await printed('task ack', '--all-failed');
    const failed = await printed('task list', '--state', 'failed');
    await printed('task show', failed.tasks[0].id);
    await printed('task show --log-failed', failed.tasks[0].id, '--log-failed');
    await printed('task retry', '--all-failed');
    await printed('task remove', done, 'no-such-task');
    const answered = await printed('enqueue --wait', 'hello', '--wait', '--deliver', 'slack:C1');
    await printed('task deliver', answered.tasks[0].id);
  });

  it('is as documented for usage, circuits and handovers, which no simulated run has', async () => {
    const node = await lab.node('lab', { pool: 'lab' });
    const usage = { input: 1, output: 2, total: 3, cost: 0.5 };
    await lab.producer.enqueue([newTask({ pool: 'lab', model: 'p/m' }), newTask({ pool: 'lab' })]);
    const [paid, lost] = [await claimNext(node), await claimNext(node)];
    await node.report(paid, { ok: true, result: { ...success.result, usage, model: 'p/m', runId: 'r' } });
    expect((await printed('task show', paid.taskId)).result.usage).toEqual(usage);
    expect((await printed('task list --usage', '--usage')).usage.length).toBeGreaterThan(0);
    await node.release(lost, 'drain');
    expect((await printed('handovers')).handovers).toHaveLength(1);

    const again = await claimNext(node);
    const error = { ...taskError('rate_limit', 'HTTP 429'), retryAfterMs: 3_600_000, outage: true };
    await node.report(again, { ok: false, error });
    await printed('task show', again.taskId);
    expect((await printed('circuit list')).circuits).toHaveLength(1);
    await printed('status');
    await printed('circuit close', 'default');
  });

  it('is as documented for nodes and for the mesh as a whole', async () => {
    expect((await printed('node list')).nodes.length).toBeGreaterThan(1);
    expect(await printed('node show', 'mac-1')).toMatchObject({ maxTasks: 3, allow: { models: ['p/m'] } });
    await printed('pool list');
    await printed('pool pause', 'default', '--for', '1h', '--note', 'licence');
    await printed('pool list');
    await printed('pool resume', 'default');
    expect((await printed('status')).running).toHaveLength(1);
    await printed('drill failover', '--node', 'mac-1', '--kill', 'drain', '--yes');
    await printed('node pause', 'mac-2', '--for', '1h', '--note', 'new disk');
    await printed('node drain', 'mac-2');
    await printed('node resume', 'mac-2');
    expect((await printed('node evict', 'mac-2')).requeued).toHaveLength(1);
    await mesh.kill('mac-2');
    await mesh.nodeState('mac-2', 'dead');
    await printed('node forget', 'mac-2');
    expect((await printed('events')).events.length).toBeGreaterThan(2);
    await printed('doctor');
  });

  it('is as documented for schedules', async () => {
    await printed('schedule add', 'nightly', 'look', '--cron', '0 7 * * *', '--agent', 'coder');
    await printed('schedule add', 'often', 'look', '--every', '1h', '--model', 'p/m', '--tag', 'a=1');
    expect((await printed('schedule list')).schedules).toHaveLength(2);
    await printed('schedule update', 'nightly', '--cron', '0 6 * * *');
    await printed('schedule run', 'often');
    await printed('schedule show', 'nightly');
    await expect
      .poll(async () => (await printed('schedule show', 'often')).lastTask)
      .toMatchObject({ id: expect.stringMatching(/^repeat:often:/) });
    await printed('schedule pause', 'nightly');
    await printed('schedule resume', 'nightly');
    await printed('schedule remove', 'nightly');
  });

  it('is as documented for commands about this machine', async () => {
    vi.stubEnv('HOME', emptyFolder());
    vi.stubEnv('CLAWMESH_HOME', emptyFolder());
    vi.stubEnv('CLAWMESH_NODE_ID', 'mac-1');
    vi.stubEnv('ACL_PASSWORD', 'x');
    const gateway = await StandInGateway.start();
    const { url } = gateway;
    gateway.cronJobs.push(
      { ...aCronJob, id: 'daily' },
      { ...aCronJob, id: 'once', schedule: { kind: 'at', at: '2030-01-01T00:00:00Z' } },
    );
    for (const option of ['--dry-run', '--tz=UTC', '--undo']) {
      await printed('schedule import-openclaw', '--from', url, option);
    }
    await gateway.stop();
    await printed('mesh add', 'studio', mesh.config);
    await printed('mesh list');
    await printed('mesh use', 'studio');
    await printed('mesh remove', 'studio');
    await printed('redis acl', 'node', '--password-env', 'ACL_PASSWORD');
    await printed('redis acl', 'sentinel', '--password-env', 'ACL_PASSWORD');
    await printed('config check');
    await printed('config show');
    await printed('config digest');
    await printed('alerts test');
    await printed('dashboard', '--link');
    for (const manager of ['launchd', 'systemd']) {
      const options = ['--dry-run', '--manager', manager];
      const { file, steps } = await printed('node install', ...options);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, steps.find((step: Tree) => step.do === 'write' && step.file === file).text);
      for (const action of ['start', 'stop', 'restart', 'uninstall']) await printed(`node ${action}`, ...options);
    }
  });

  it.each([
    ['status --watch', 'status'],
    ['events --follow', 'events'],
  ])('is as documented for each line of %s', async (line, document) => {
    const process = new CliProcess(['--config', mesh.config, '--json', ...line.split(' ')]);
    await process.waitFor(/^\{.*\}$/m);
    await process.kill();
    const [first = ''] = process.output.split('\n');
    const { event, ...snapshot } = JSON.parse(first);
    expect(errorsOf(document, event === undefined ? snapshot : { events: [{ event, ...snapshot }] })).toEqual([]);
  });

  it('is documented for every command that prints any', () => {
    const commands = Object.keys(schemas.$defs).filter((name) => /^[a-z]/.test(name));
    expect([...seen].map((command) => command.replace(/[ -]+/g, '-')).sort()).toEqual(commands.sort());
  });
});
