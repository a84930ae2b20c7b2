import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  describeHoldReason,
  formatHoldReason,
  type HoldReason,
  holdReasonOf,
  isEligible,
  isTarget,
  parseHoldReason,
  sessionReason,
} from '../../src/domain/hold-reason.ts';
import { type Allowed, forOthers, needsOf, TASK_FORMAT, type Target, targetOf } from '../../src/domain/target.ts';

const main = { agent: 'main', model: undefined };

/** The text in Redis, the reason, and what `heldBy` shows. */
const REASONS: readonly [text: string, reason: HoldReason, heldBy: string][] = [
  ['after', { kind: 'after' }, 'after'],
  ['circuit:default', { kind: 'circuit', circuit: 'default' }, 'circuit default'],
  ['circuit:openai/gpt-5', { kind: 'circuit', circuit: 'openai/gpt-5' }, 'circuit openai/gpt-5'],
  ['circuit:agent:ops', { kind: 'circuit', circuit: 'agent:ops' }, 'circuit agent:ops'],
  ['session:|chat', { kind: 'session', agent: undefined, session: 'chat' }, 'session chat'],
  ['session:main|chat', { kind: 'session', agent: 'main', session: 'chat' }, 'session chat'],
  ['session:main|a:b:c', { kind: 'session', agent: 'main', session: 'a:b:c' }, 'session a b:c'],
  ['node:mac-1', { kind: 'node', id: 'mac-1' }, 'node mac-1'],
  ['prefer:mac-1', { kind: 'prefer', id: 'mac-1' }, 'prefer mac-1'],
  ['require:xcode=26', { kind: 'require', labels: [['xcode', '26']] }, 'require xcode=26'],
  [
    'require:gpu=yes,xcode=26',
    {
      kind: 'require',
      labels: [
        ['gpu', 'yes'],
        ['xcode', '26'],
      ],
    },
    'require gpu=yes,xcode=26',
  ],
  ['format:2', { kind: 'format', format: 2 }, 'format 2'],
  ['allow:main|', { kind: 'allow', allow: main }, 'allow main|'],
  ['allow:ops|a/b:c', { kind: 'allow', allow: { agent: 'ops', model: 'a/b:c' } }, 'allow ops|a/b:c'],
  ['node:mac-1&allow:main|', { kind: 'node', id: 'mac-1', allow: main }, 'node mac-1&allow:main|'],
  ['prefer:mac-1&allow:main|', { kind: 'prefer', id: 'mac-1', allow: main }, 'prefer mac-1&allow:main|'],
  [
    'require:x=1&allow:ops|m',
    { kind: 'require', labels: [['x', '1']], allow: { agent: 'ops', model: 'm' } },
    'require x=1&allow:ops|m',
  ],
];

/** Names as people may choose them, with the separators of the text if the text allows for them. */
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/);
const identifier = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,40}$/);
const allowance = fc.record({ agent: identifier, model: fc.option(identifier, { nil: undefined }) });
const maybeAllow = fc.record({ allow: allowance }, { requiredKeys: [] });
const labels = fc.array(fc.tuple(name, name), { minLength: 1, maxLength: 5 });
const target: fc.Arbitrary<Target> = fc.oneof(
  fc
    .tuple(fc.constantFrom('node' as const, 'prefer' as const), name, maybeAllow)
    .map(([kind, id, allow]) => ({ kind, id, ...allow })),
  fc.tuple(labels, maybeAllow).map(([pairs, allow]) => ({ kind: 'require' as const, labels: pairs, ...allow })),
  fc.record({ kind: fc.constant('format' as const), format: fc.maxSafeNat().filter((n) => n > 0) }),
  fc.record({ kind: fc.constant('allow' as const), allow: allowance }),
);
const reason: fc.Arbitrary<HoldReason> = fc.oneof(
  fc.constant({ kind: 'after' as const }),
  fc.record({ kind: fc.constant('circuit' as const), circuit: fc.string({ minLength: 1 }) }),
  fc.record({
    kind: fc.constant('session' as const),
    agent: fc.option(identifier, { nil: undefined }),
    session: fc.string(),
  }),
  target,
);
/** Texts of the parts that reasons are made of, mostly in no order that makes sense. */
const nearlyReason = fc
  .array(
    fc.oneof(
      fc.constantFrom('after', 'circuit', 'session', 'node', 'prefer', 'require', 'format', 'allow', 'a', '1', '02'),
      fc.constantFrom(':', '|', '&', '=', ',', ' ', '\n', '\0'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

describe('the reason for which a task is held', () => {
  it.each(REASONS)('reads %s back as it was written', (text, expected) => {
    expect(parseHoldReason(text)).toEqual(expected);
    expect(formatHoldReason(expected)).toBe(text);
  });

  it.each(REASONS)('shows %s as heldBy names it for people and programs', (_text, shown, heldBy) => {
    expect(describeHoldReason(shown)).toBe(heldBy);
  });

  it('reads back any reason that was written, whatever names it contains', () => {
    const survives = (one: HoldReason) => {
      expect(parseHoldReason(formatHoldReason(one))).toEqual(one);
    };
    fc.assert(fc.property(reason, survives), { numRuns: 1_000 });
  });

  it('reads a reason only from a text that would be written for it', () => {
    const survives = (text: string) => {
      const read = parseHoldReason(text);
      if (read !== undefined) expect(formatHoldReason(read)).toBe(text);
    };
    fc.assert(fc.property(fc.oneof(nearlyReason, fc.string()), survives), { numRuns: 2_000 });
  });

  it('reads a reason from the texts that queue and release tasks', () => {
    const spec = { require: { b: '2', a: '1' }, agent: 'ops', model: 'm' };
    const node = { id: 'x', labels: {}, allow: { models: [] } };
    const labelled = { ...node, labels: spec.require };
    const place = { kind: 'require', labels: Object.entries({ a: '1', b: '2' }) };
    const allow = { agent: 'ops', model: 'm' };
    expect(parseHoldReason(targetOf(spec) ?? '')).toEqual(place);
    expect(parseHoldReason(needsOf(spec))).toEqual({ ...place, allow });
    expect(forOthers(spec, node)).toEqual(place);
    expect(forOthers(spec, labelled)).toEqual({ ...place, allow });
    expect(parseHoldReason(needsOf({}))).toEqual({ kind: 'allow', allow: main });
  });

  it('has a target only if the task waits for a node', () => {
    const targets = REASONS.filter(([, one]) => isTarget(one)).map(([, { kind }]) => kind);
    expect([...new Set(targets)]).toEqual(['node', 'prefer', 'require', 'format', 'allow']);
  });
});

describe('heldBy of a task', () => {
  const shown = (heldBy: string | null, agent: string | null = null, session: string | null = null) =>
    holdReasonOf({ heldBy, agent, session });

  it('restores the reason, with the session’s agent from the task', () => {
    const tells = (one: HoldReason, other: string) => {
      const own = one.kind === 'session' ? one : { agent: other, session: other };
      expect(shown(describeHoldReason(one), own.agent ?? null, own.session)).toEqual(one);
    };
    for (const [, one] of REASONS) tells(one, 'chat');
    fc.assert(fc.property(reason, identifier, tells));
  });

  it('gives no reason for a task that is not held, or that is held for an unknown reason', () => {
    expect(shown(null, 'main', 'chat')).toBeUndefined();
    expect(shown('children of its BullMQ flow', 'main', 'chat')).toBeUndefined();
    expect(shown('session other', 'main', 'chat')).toBeUndefined();
  });
});

describe('eligibility of a node', () => {
  const node = { id: 'a', labels: { x: '1', y: '2' } };

  it.each([
    ['node:a', true],
    ['node:b', false],
    ['prefer:a', true],
    ['prefer:b', false],
    ['require:x=1', true],
    ['require:x=1,y=2', true],
    ['require:x=2', false],
    ['require:x=1,z=1', false],
    ['require:x=1,x=2', false],
    ['require:toString=x', false],
    [`format:${TASK_FORMAT}`, true],
    [`format:${TASK_FORMAT + 1}`, false],
    ['allow:main|', true],
    ['allow:ops|m', true],
    ['node:a&allow:ops|m', true],
    ['node:b&allow:ops|m', false],
    ['after', false],
    ['circuit:node:a', false],
    ['session:|node:a', false],
    ['nodes:a', false],
  ] as const)(
    'decides for a node with these labels and no allow list whether it is eligible for %s: %s',
    (text, eligible) => {
      expect(isEligible(parseHoldReason(text), node)).toBe(eligible);
    },
  );

  it.each([
    [{ agents: ['main'], models: ['m'] }, 'allow:main|', true],
    [{ agents: ['ops'] }, 'allow:main|', false],
    [{ agents: ['main', 'ops'] }, 'allow:ops|', true],
    [{ agents: [] }, 'allow:ops|', false],
    [{ models: [] }, 'allow:ops|', true],
    [{ models: ['m'] }, 'allow:ops|m', true],
    [{ models: ['m'] }, 'allow:ops|a/b', false],
    [{ models: ['m'] }, 'require:x=1&allow:main|n', false],
    [{ models: ['n'] }, 'require:x=1&allow:main|n', true],
    [{ models: ['n'] }, 'require:x=2&allow:main|n', false],
    [{ models: ['m'] }, 'node:a', true],
  ])('decides for a node that is allowed %j whether it is eligible for %s: %s', (allow, text, eligible) => {
    expect(isEligible(parseHoldReason(text), { ...node, allow })).toBe(eligible);
  });

  it('runs a task only if the node is eligible for everything that the task needs', () => {
    const specs = fc.record(
      { node: fc.constantFrom('a', 'b'), agent: fc.constantFrom('main', 'ops'), model: fc.constantFrom('m', 'n') },
      { requiredKeys: [] },
    );
    const allowed = fc.record(
      { agents: fc.subarray(['main', 'ops']), models: fc.subarray(['m', 'n']) },
      { requiredKeys: [] },
    );
    const agrees = (spec: { node?: string; agent?: string; model?: string }, allow: Allowed) => {
      const self = { ...node, allow };
      expect(forOthers(spec, self) === undefined).toBe(isEligible(parseHoldReason(needsOf(spec)), self));
    };
    fc.assert(fc.property(specs, allowed, agrees));
  });

  it('never lets a node release a task that it may run itself, even if another program queued separators in names', () => {
    const odd = fc.stringMatching(/^[ab&|=,:1]{0,6}$/);
    const specs = fc.record(
      { node: odd, agent: odd, model: odd, require: fc.dictionary(odd, odd) },
      { requiredKeys: [] },
    );
    const self = { id: 'a', labels: { a: '1', b: '1' }, allow: { agents: ['a', 'b', 'main'] } };
    const agrees = (spec: Parameters<typeof forOthers>[0]) => {
      const why = forOthers(spec, self);
      if (why !== undefined) expect(isEligible(parseHoldReason(formatHoldReason(why)), self)).toBe(false);
    };
    fc.assert(fc.property(specs, agrees), {
      numRuns: 2_000,
      examples: [[{ require: { 'a=1,b': '1' } }], [{ agent: 'a|b' }]],
    });
  });
});

describe('a text in Redis that is no reason', () => {
  it.each([
    ['nothing', ''],
    ['an unknown kind', 'weather:rain'],
    ['a kind in other case', 'Node:a'],
    ['a kind alone', 'node'],
    ['a kind without a name', 'node:'],
    ['a circuit without a name', 'circuit:'],
    ['a session without an agent’s place', 'session:chat'],
    ['something behind what is complete', 'after:a'],
    ['no labels', 'require:'],
    ['a label without a value', 'require:x'],
    ['a label without a name', 'require:=1'],
    ['an empty label', 'require:x=1,'],
    ['a format that is no number', 'format:new'],
    ['a format with leading zeros', 'format:02'],
    ['a format that is not whole', 'format:1.5'],
    ['a format below the first', 'format:0'],
    ['a format that no double holds exactly', 'format:9007199254740993'],
    ['an agent without a model’s place', 'allow:main'],
    ['two nodes', 'node:a&node:b'],
    ['the parts in the wrong order', 'allow:main|&node:a'],
    ['three parts', 'node:a&allow:main|&allow:ops|'],
    ['an empty second part', 'node:a&'],
    ['an empty first part', '&allow:main|'],
    ['a format with more', 'format:2&allow:main|'],
    ['a space in front', ' node:a'],
    ['a property of all objects', 'constructor:a'],
  ])('reads the text as unknown, so that no node is eligible: %s', (_what, text) => {
    expect(parseHoldReason(text)).toBeUndefined();
    expect(isEligible(parseHoldReason(text), { id: '', labels: {} })).toBe(false);
  });

  it('reads any text longer than 65,536 characters as unknown, without parsing it', () => {
    for (const unit of ['a', '&', ',', '=', '|', 'x=1,', 'node:a&']) {
      for (const before of ['circuit:', 'session:|', 'node:', 'require:x=1,', 'allow:a|', 'format:']) {
        const long = before + unit.repeat(200_000);
        expect(parseHoldReason(long)).toBeUndefined();
        // A text of the longest length that is read is read at once.
        parseHoldReason(long.slice(0, 65_536));
      }
    }
    const longest = `circuit:${'a'.repeat(65_536 - 8)}`;
    expect([parseHoldReason(longest)?.kind, parseHoldReason(`${longest}a`)]).toEqual(['circuit', undefined]);
  });
});

describe('the reason for a task of a session', () => {
  it('names the session as scripts do, and is absent for a task without a session', () => {
    const texts = [{ session: 's' }, { agent: 'ops', session: 'a:b' }, { agent: 'ops' }].map((spec) => {
      const found = sessionReason(spec);
      return found && formatHoldReason(found);
    });
    expect(texts).toEqual(['session:|s', 'session:ops|a:b', undefined]);
  });
});
