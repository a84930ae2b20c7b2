import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProcessMesh } from '../../support/process-mesh.ts';
import { seeded } from '../../support/seeded.ts';
import { WebhookReceiver } from '../../support/webhook-receiver.ts';

const TASKS = Number(process.env.CLAWMESH_DELIVERIES ?? 150);
const NODES = ['mac-1', 'mac-2', 'mac-3'];

/** Real daemons that tell a webhook how tasks ended, while things go wrong. */
describe('the answers of tasks', () => {
  let mesh: ProcessMesh;
  let hook: WebhookReceiver;
  beforeEach(async () => {
    hook = await WebhookReceiver.start();
    mesh = await ProcessMesh.start({
      openclaw: 'mode: simulate',
      config: 'node: {pools: {default: 5}}\ndelivery: {webhookSecret: "the secret of the webhook"}\n',
    });
  });
  afterEach(async () => {
    await mesh.stop();
    await hook.stop();
  });

  it('reach a webhook with a signature that covers the time and the body', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.enqueue('hello', '--notify-webhook', hook.url);
    await expect.poll(() => hook.tasks).toMatchObject([{ id, state: 'completed', result: { text: 'hello' } }]);
    const [call] = hook.calls;
    const [, time, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(call?.signature ?? '') ?? [];
    const expected = createHmac('sha256', 'the secret of the webhook').update(`${time}.${call?.body}`).digest('hex');
    expect(signature).toBe(expected);
    await expect.poll(async () => (await mesh.task(id)).delivery?.state).toBe('delivered');
    const { stdout } = await mesh.cli('task', 'show', id);
    expect(stdout).toMatch(/deliver to: +webhook on 127\.0\.0\.1:\d+ \(delivered/);
    expect(stdout).not.toContain('s3cret');
  });

  it('say that a task failed, or was cancelled before it ran', async () => {
    const cancelled = await mesh.queueOne('hello', { deliver: { webhook: hook.url } });
    expect((await mesh.cli('task', 'cancel', cancelled)).code).toBe(0);
    const failed = await mesh.queueOne('fail invalid', { deliver: { webhook: hook.url } });
    await mesh.startNode('mac-1');
    await expect
      .poll(() => hook.tasks.map(({ id, state }) => `${id} ${state}`).sort())
      .toEqual([`${cancelled} cancelled`, `${failed} failed`].sort());
  });

  it('are sent again by hand, with another idempotency key', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.queueOne('hello', { deliver: { webhook: hook.url } });
    await expect.poll(async () => (await mesh.task(id)).delivery?.state).toBe('delivered');
    expect((await mesh.cli('task', 'deliver', id)).code).toBe(0);
    await expect.poll(() => hook.calls.map(({ key }) => key)).toEqual([1, 2].map((n) => `clawmesh-${id}-answer-${n}`));
  });

  it('wait for a node that has their channel, and status says so', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.enqueue('hello', '--deliver', 'telegram:42');
    await mesh.taskState(id, 'completed');
    const { problems } = await mesh.json('status');
    expect(problems).toContainEqual(
      expect.objectContaining({ what: '1 answer waits for the channel telegram, which no node has' }),
    );
    expect((await mesh.task(id)).delivery).toMatchObject({ state: 'pending', to: 'telegram:42' });
  });

  it(`are each received, and never twice under two keys, while nodes and Redis are killed (${TASKS} tasks)`, async () => {
    const random = seeded(7);
    await mesh.startNodes(...NODES);
    // One in five calls is refused, and of one in five the node does not learn that it was accepted.
    hook.treat = () => {
      const luck = random();
      return luck < 0.2 ? 503 : luck < 0.4 ? 'accept silently' : 'accept';
    };
    const deliver = { webhook: hook.url };
    const ids = await mesh.queue(...Array.from({ length: TASKS }, (_, i) => ({ message: `answer ${i}`, deliver })));
    const received = () => new Set(hook.tasks.map(({ id }) => id)).size;
    for (let round = 1; round <= 4; round++) {
      await expect.poll(received).toBeGreaterThanOrEqual((TASKS * round) / 6);
      const victim = NODES[round % NODES.length] ?? '';
      await mesh.kill(victim);
      if (round === 2) {
        await mesh.server.down();
        await mesh.server.up();
      }
      await mesh.startNode(victim);
    }
    const open = async () => (await mesh.tasks()).filter(({ delivery }) => delivery?.state !== 'delivered').length;
    await expect.poll(open, { timeout: 240_000, interval: 500 }).toBe(0);
    expect(new Set(hook.tasks.map(({ id }) => id))).toEqual(new Set(ids));
    expect(new Set(hook.calls.map(({ key }) => key)).size).toBe(TASKS);
  });
});
