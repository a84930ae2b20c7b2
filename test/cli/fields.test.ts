import { describe, expect, it } from 'vitest';
import { fieldsOption, selectFields } from '../../src/cli/fields.ts';

const task = {
  id: '1',
  state: 'failed',
  error: { kind: 'auth', message: 'x' },
  history: [
    { at: 1, event: 'a' },
    { at: 2, event: 'b' },
  ],
  result: null,
};

describe('the selection of fields', () => {
  it.each([
    ['id', { id: '1' }],
    ['state,id', { state: 'failed', id: '1' }],
    ['.error.kind', { error: { kind: 'auth' } }],
    ['error', { error: task.error }],
    ['error.kind, error', { error: task.error }],
    ['history[].event', { history: [{ event: 'a' }, { event: 'b' }] }],
    ['history.at,history.event', { history: task.history }],
    ['result.text', { result: null }],
    ['id.length', { id: null }],
    ['error.toString', { error: { toString: null } }],
  ])('selects %s', (text, expected) => {
    expect(selectFields(task, fieldsOption(text))).toEqual(expected);
  });

  it('refuses an unknown field and names the likely one', () => {
    expect(() => selectFields(task, fieldsOption('stat'))).toThrow(
      expect.objectContaining({ code: 'usage', remedy: 'did you mean state?' }),
    );
    expect(() => selectFields(task, fieldsOption('nothing'))).toThrow(
      expect.objectContaining({ remedy: 'fields: id, state, error, history, result' }),
    );
  });

  it.each(['', 'id,', 'a..b', '.', '[]'])('refuses %j, which names no field', (text) => {
    expect(() => fieldsOption(text)).toThrow('Expected names');
  });
});
