import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type StoredSpec, storedSpec } from '../../src/queue/bullmq/task-fields.ts';
import { TaskSigner } from '../../src/queue/task-signer.ts';

const KEY = 'a key of thirty-two characters!!';
const MESH = '{clawmesh:studio}';
const spec: StoredSpec = { v: 1, message: 'do it', tags: { b: '2', a: '1' }, attempts: 3, agent: 'main' };
const stored = (value: StoredSpec) => storedSpec.parse(JSON.parse(JSON.stringify(value)));

describe('a signed task', () => {
  const signer = new TaskSigner([KEY], MESH);

  it('accepts a signed task unchanged, whatever it contains', () => {
    const some = fc.record(
      {
        message: fc.string({ unit: 'binary' }),
        agent: fc.string(),
        tags: fc.dictionary(fc.string(), fc.string()),
        timeoutMs: fc.nat(),
        require: fc.dictionary(fc.string(), fc.string()),
        after: fc.array(fc.record({ id: fc.string(), pool: fc.string() })),
      },
      { requiredKeys: ['message', 'tags'] },
    );
    fc.assert(
      fc.property(some, fc.string(), (more, id) => {
        const signed = stored(signer.signed({ ...spec, ...more }, 'p', { id }));
        expect(signer.problem(signed, 'p', id)).toBeUndefined();
      }),
    );
  });

  it.each<[string, Partial<StoredSpec>]>([
    ['message', { message: 'do that' }],
    ['agent', { agent: 'root' }],
    ['no agent', { agent: undefined }],
    ['model', { model: 'dearest' }],
    ['node', { node: 'mac-9' }],
    ['tags', { tags: { a: '1', b: '3' } }],
    ['attempts', { attempts: 99 }],
    ['simulated', { probe: true }],
    ['signature', { sig: 'AAAA' }],
  ])('refuses a signed task with another %s', (_, change) => {
    const signed = signer.signed(spec, 'p', { id: 't1' });
    expect(signer.problem(stored({ ...signed, ...change }), 'p', 't1')).toMatch(/signature of the task is wrong/);
  });

  it('refuses a signed task under another id, in another pool, or without the key', () => {
    const signed = stored(signer.signed(spec, 'p', { id: 't1' }));
    expect(signer.problem(signed, 'p', 't2')).toMatch(/wrong/);
    expect(signer.problem(signed, 'q', 't1')).toMatch(/wrong/);
    expect(new TaskSigner(['another key of that length......'], MESH).problem(signed, 'p', 't1')).toMatch(/wrong/);
    expect(signer.problem(spec, 'p', 't1')).toMatch(/not signed/);
  });

  it('refuses in another mesh a task or schedule signed with the same key', () => {
    for (const other of ['{clawmesh:staging}', '{other:studio}', '']) {
      const elsewhere = new TaskSigner([KEY], other);
      const task = stored(signer.signed(spec, 'p', { id: 't1' }));
      expect(elsewhere.problem(task, 'p', 't1')).toMatch(/wrong/);
      const due = stored(signer.signed(spec, 'p', { schedule: 'nightly' }));
      expect(elsewhere.problem(due, 'p', 'repeat:nightly:1790000000000')).toMatch(/wrong/);
    }
  });

  it('accepts every run of a signed schedule, and the signature of no other schedule', () => {
    const signed = stored(signer.signed(spec, 'p', { schedule: 'nightly' }));
    expect(signer.problem(signed, 'p', 'repeat:nightly:1790000000000')).toBeUndefined();
    expect(signer.problem(signed, 'p', 'repeat:nightly:1790000086400')).toBeUndefined();
    expect(signer.problem(signed, 'p', 'repeat:hourly:1790000000000')).toMatch(/wrong/);
    expect(signer.problem(signed, 'p', 'nightly')).toMatch(/wrong/);
  });

  it('accepts the previous key during a change, and not after it', () => {
    const signed = stored(signer.signed(spec, 'p', { id: 't1' }));
    const fresh = 'a key of thirty-two characters??';
    expect(new TaskSigner([fresh, KEY], MESH).problem(signed, 'p', 't1')).toBeUndefined();
    expect(new TaskSigner([fresh, ''], MESH).problem(signed, 'p', 't1')).toMatch(/wrong/);
  });

  it('requires no signature if there is no key', () => {
    expect(new TaskSigner(['', ''], MESH).problem(spec, 'p', 't1')).toBeUndefined();
    expect(new TaskSigner([], MESH).signed(spec, 'p', { id: 't1' })).toEqual(spec);
  });
});
