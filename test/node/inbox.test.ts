import { expect, it } from 'vitest';
import { Inbox } from '../../src/node/inbox.ts';
import type { Holders } from '../../src/registry/holders.ts';
import { thisHolder } from '../../src/registry/node-holder.ts';
import { formatNodeMessage, type NodeMessage } from '../../src/registry/node-message.ts';
import type { Presence } from '../../src/registry/presence.ts';
import { testContext } from '../support/node-context.ts';
import { settled } from '../support/virtual-clock.ts';

/** A started inbox, how to send it a message, and all that it did. */
async function receiving() {
  const did: unknown[] = [];
  let tell: (text: string) => void = () => {};
  const openPresence = async (onMessage: (text: string) => void) => {
    tell = onMessage;
    return { show: async (channels: unknown) => void did.push(['show', channels]), hide: () => did.push('hide') };
  };
  const answer = async (...args: unknown[]) => void did.push(['answer', ...args]);
  const context = testContext({
    registry: { channels: ({ nodeId, incarnation }) => [`${nodeId}~${incarnation}`, 'mesh'] },
    backend: {
      openPresence: openPresence as unknown as () => Promise<Presence>,
      holders: { answer } as unknown as Holders,
    },
  });
  const events = { heldFor: [] as unknown[] };
  context.events.on('heldFor', (held) => void events.heldFor.push(held));
  const beat = { error: undefined as unknown };
  const inbox = new Inbox(context, {
    heartbeat: {
      beat: async () => {
        did.push('beat');
        if (beat.error) throw beat.error;
      },
    },
    runs: { stopRuns: (...args) => void did.push(['stopRuns', ...args]) },
    sweep: { wake: () => void did.push('wake') },
  });
  await inbox.start();
  const shown = did.splice(0);
  return { ...context, inbox, did, shown, beat, heldFor: events.heldFor, tell: (text: string) => tell(text) };
}

it('shows its presence on the channel of its incarnation, and listens on that of the mesh', async () => {
  const { shown, inbox, did } = await receiving();
  expect(shown).toEqual([['show', ['mac-1~1', 'mesh']]]);
  await inbox.stop();
  expect(did).toEqual(['hide']);
});

const question = 'b7a4b5b2-0a51-4f11-8b14-3a1f6e1d6f0e';
const EFFECTS: readonly (readonly [NodeMessage, readonly unknown[], readonly string[]])[] = [
  [{ type: 'beat' }, ['beat'], []],
  [{ type: 'look' }, [], ['configChanged']],
  [{ type: 'busy' }, ['wake'], []],
  [{ type: 'cancel', taskId: 't1' }, [['stopRuns', 'cancelled', 't1']], []],
  [{ type: 'held', pool: 'default', why: 'session:|chat' }, [], ['heldFor']],
  [{ type: 'who', question }, [['answer', question, thisHolder()]], []],
];

it.each(EFFECTS)('does only what the message $type requests', async (message, did, emitted) => {
  const inbox = await receiving();
  inbox.tell(formatNodeMessage(message));
  expect([inbox.did, inbox.emitted]).toEqual([did, emitted]);
});

it('announces a held task as one for this node', async () => {
  const { tell, heldFor } = await receiving();
  tell('held ios session:main|chat');
  expect(heldFor).toEqual([[{ pool: 'ios', why: 'session:main|chat', node: 'mac-1' }]]);
});

it.each(['', 'cancel', 'held default', 'who', 'shutdown', 'BEAT'])(
  'ignores and logs the unknown or incomplete message %j',
  async (text) => {
    const { tell, did, emitted, logged } = await receiving();
    tell(text);
    expect([did, emitted]).toEqual([[], []]);
    expect(logged).toMatchObject([{ level: 'debug', msg: 'unknown message', message: text }]);
  },
);

it('logs only the beginning of a long unknown message', async () => {
  const { tell, logged } = await receiving();
  tell('x'.repeat(100_000));
  expect(logged).toMatchObject([{ message: 'x'.repeat(200) }]);
});

it('reports a failed heartbeat, and acts on the next message', async () => {
  const { tell, beat, logged, did } = await receiving();
  beat.error = new Error('connection lost');
  tell('beat');
  await settled();
  expect(logged).toMatchObject([{ level: 'warn', msg: 'request to Redis failed' }]);
  tell('busy');
  expect(did).toEqual(['beat', 'wake']);
});

it('ignores messages after its stop', async () => {
  const { inbox, tell, did, emitted } = await receiving();
  await inbox.stop();
  for (const [message] of EFFECTS) tell(formatNodeMessage(message));
  expect([did, emitted]).toEqual([['hide'], []]);
});
