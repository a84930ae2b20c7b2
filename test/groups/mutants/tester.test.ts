import { afterAll, describe, expect, it } from 'vitest';
import { luaMutants } from '../../mutants/lua-mutants.ts';
import { Tester } from '../../mutants/tester.ts';
import { luaFiles } from '../../support/lua-files.ts';

const unit = {
  file: 'test/explore/explore.test.ts',
  test: 'a small world > keeps every promise on random ways, and everything ends (plain)',
};
const GUARD_MS = 170_000;

describe('a tester', () => {
  const tester = new Tester();
  afterAll(() => tester.stop());

  it('names the test that killed a mutant, and kills no mutant that does not exist', async () => {
    const file = 'registry/lua/register-node.lua';
    const mutant = luaMutants(file, luaFiles().get(file) ?? '').find(({ change }) =>
      change.startsWith('return {tonumber'),
    );
    const killed = await tester.run({ overlay: { [file]: mutant?.text ?? '' }, units: [unit] }, GUARD_MS);
    expect(killed).toMatchObject({ failed: { unit, test: unit.test } });
    expect(await tester.run({ overlay: {}, units: [unit] }, GUARD_MS)).not.toHaveProperty('failed');
  });

  it('runs several tests of one file, and counts each of them', async () => {
    const session = unit.test.replace('plain', 'session');
    const file = 'queue/bullmq/lua/includes/enter-session.lua';
    const text = luaFiles().get(file) ?? '';
    const broken = text.replace('local sessionKey, reason = mesh.sessions', "error('no sessions') $&");
    expect(broken).not.toBe(text);
    const order = { overlay: { [file]: broken }, units: [unit, { ...unit, test: session }] };
    expect(await tester.run(order, GUARD_MS)).toMatchObject({ failed: { unit: { test: session } } });
  });

  it('gives up a mutant that takes too long, and continues with the next', async () => {
    expect(await tester.run({ overlay: {}, units: [unit] }, 1)).toBe('hangs');
    expect(await tester.run({ overlay: {}, units: [unit] }, GUARD_MS)).not.toHaveProperty('failed');
  });
});
