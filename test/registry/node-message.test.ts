import { expect, it } from 'vitest';
import { formatNodeMessage, type NodeMessage, parseNodeMessage } from '../../src/registry/node-message.ts';

const MESSAGES: readonly NodeMessage[] = [
  { type: 'beat' },
  { type: 'look' },
  { type: 'busy' },
  { type: 'cancel', taskId: 'nightly:42' },
  { type: 'held', pool: 'default', why: 'session:main|chat/1' },
  { type: 'held', pool: 'ios', why: 'require:xcode=26,gpu=yes' },
  { type: 'who', question: 'b7a4b5b2-0a51-4f11-8b14-3a1f6e1d6f0e' },
];

it.each(MESSAGES)('reads back the $type message to a node', (message) => {
  expect(parseNodeMessage(formatNodeMessage(message))).toEqual(message);
});

it('keeps the texts that scripts and nodes of another version publish', () => {
  expect(MESSAGES.map(formatNodeMessage)).toEqual([
    'beat',
    'look',
    'busy',
    'cancel nightly:42',
    'held default session:main|chat/1',
    'held ios require:xcode=26,gpu=yes',
    'who b7a4b5b2-0a51-4f11-8b14-3a1f6e1d6f0e',
  ]);
});

it.each(['cancel', 'cancel ', 'held', 'held default', 'held default ', 'held  node:mac-1', 'who', 'who '])(
  'ignores %j as a message, since a part is missing',
  (text) => {
    expect(parseNodeMessage(text)).toBeUndefined();
  },
);

it.each(['', ' ', 'BEAT', 'beats', ' beat', 'beat\n', 'drain', '{"type":"beat"}'])(
  'ignores %j as an unknown message',
  (text) => {
    expect(parseNodeMessage(text)).toBeUndefined();
  },
);

it('ignores additions of a later version behind a known message', () => {
  expect(parseNodeMessage('beat now')).toEqual({ type: 'beat' });
  expect(parseNodeMessage('cancel t1 by operator')).toEqual({ type: 'cancel', taskId: 't1' });
});
