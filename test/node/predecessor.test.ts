import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import type { SeenNode } from '../../src/domain/node.ts';
import type { NodeBackend } from '../../src/node/node-backend.ts';
import { goneIncarnation } from '../../src/node/predecessor.ts';
import { type NodeHolder, thisHolder } from '../../src/registry/node-holder.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const ELSEWHERE: NodeHolder = { host: 'other-mac', pid: 4_242, addresses: ['10.0.0.7'] };

interface Mesh {
  readonly incarnation?: number;
  readonly connections?: number;
  readonly isStarting?: boolean;
  /** What the holder answers, to the question of this number (from 1) on. */
  readonly answer?: { readonly text: string; readonly to: number };
  readonly record?: Partial<SeenNode>;
}

/** Asks for the predecessor in such a mesh. */
function asking({ incarnation = 7, connections = 0, isStarting = false, answer, record }: Mesh) {
  const clock = new VirtualClock();
  const questions: string[] = [];
  const presence = { shown: [] as string[], hidden: 0 };
  let hear: (text: string) => void = () => {};
  const backend = {
    registry: { find: async () => record && { incarnation, state: 'up', ...record } },
    holders: {
      present: async () => ({ incarnation, connections }),
      isStarting: async () => isStarting,
      answerChannel: (question: string) => `answer:${question}`,
      ask: async (_: unknown, question: string) => {
        questions.push(question);
        if (answer && questions.length >= answer.to) hear(answer.text);
      },
    },
    openPresence: async (onMessage: (text: string) => void) => {
      hear = onMessage;
      return { show: async (channels: string[]) => presence.shown.push(...channels), hide: () => presence.hidden++ };
    },
  } as unknown as NodeBackend;
  const gone = goneIncarnation(backend, 'mac-1', clock);
  gone.catch(() => {});
  return { clock, gone, questions, presence };
}

const says = (holder: NodeHolder, to = 1) => ({ text: JSON.stringify(holder), to });

it('finds no predecessor of a new node', async () => {
  expect(await asking({ incarnation: 0 }).gone).toBe(0);
});

it('replaces at once an incarnation without presence and lease', async () => {
  const { gone, questions } = asking({ record: { state: 'stopped', host: 'other-mac', pid: 1 } });
  expect([await gone, questions]).toEqual([7, []]);
});

it('replaces a presence that does not reply within 2 s to a question every 200 ms', async () => {
  const { clock, gone, questions, presence } = asking({ connections: 1 });
  await clock.advance(1_999);
  expect([questions.length, presence.hidden]).toEqual([10, 0]);
  await clock.advance(1);
  expect(await gone).toBe(7);
  expect(new Set(questions).size).toBe(1);
  expect(presence).toEqual({ shown: [`answer:${questions[0]}`], hidden: 1 });
});

it('refuses to start if a daemon on another machine replies', async () => {
  const { gone, presence } = asking({ connections: 1, answer: says(ELSEWHERE) });
  await expect(gone).rejects.toMatchObject({
    code: 'failed',
    message: 'node mac-1 is already up on other-mac (10.0.0.7)',
    remedy: expect.stringContaining('CLAWMESH_NODE_ID'),
  });
  expect(presence.hidden).toBe(1);
});

it('notices a daemon that replies only to a later question', async () => {
  const { clock, gone } = asking({ connections: 1, answer: says(ELSEWHERE, 10) });
  await clock.advance(1_800);
  await expect(gone).rejects.toThrow('already up on other-mac');
});

it('asks an incarnation that has registered but not sent a heartbeat yet', async () => {
  const { gone } = asking({ isStarting: true, answer: says(ELSEWHERE) });
  await expect(gone).rejects.toThrow('already up on other-mac');
});

it('names the process if the daemon runs on this machine', async () => {
  const { gone } = asking({ connections: 1, answer: says(thisHolder()) });
  await expect(gone).rejects.toMatchObject({
    message: `node mac-1 is already up as process ${process.pid}`,
    remedy: 'stop that process first',
  });
});

it('recognizes a clone of this machine by its addresses', async () => {
  const { gone } = asking({ connections: 1, answer: says({ ...thisHolder(), addresses: ['10.9.9.9'] }) });
  await expect(gone).rejects.toThrow(`already up on ${hostname()} (10.9.9.9), another machine with this name`);
});

it.each(['', 'beat', '{"host":"x"}', '{"host":"x","pid":-1,"addresses":[]}'])('ignores the reply %j', async (text) => {
  const { clock, gone } = asking({ connections: 1, answer: { text, to: 1 } });
  await clock.advance(2_000);
  expect(await gone).toBe(7);
});

it('respects the lease of a silent node on another machine', async () => {
  const { gone } = asking({ record: { host: 'other-mac', pid: 4_242 } });
  await expect(gone).rejects.toThrow('node mac-1 is already up on other-mac');
});

it('replaces a node of another machine once its lease has ended', async () => {
  expect(await asking({ record: { state: 'dead', host: 'other-mac', pid: 4_242 } }).gone).toBe(7);
});

it('refuses to replace a frozen process of this machine that still has its presence', async () => {
  const { clock, gone } = asking({ connections: 1, record: { host: hostname(), pid: process.ppid } });
  await clock.advance(2_000);
  await expect(gone).rejects.toThrow(`node mac-1 is already up as process ${process.ppid}`);
});

it('replaces a leased incarnation of this same process, and one whose process is gone', async () => {
  const own = asking({ connections: 1, record: { host: hostname(), pid: process.pid } });
  const ended = asking({ record: { host: hostname(), pid: process.ppid } });
  await own.clock.advance(2_000);
  expect([await own.gone, await ended.gone]).toEqual([7, 7]);
});
