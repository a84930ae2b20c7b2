import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellsOf as widthOf } from '../../src/cli/cells.ts';
import { KEYS } from '../../src/cli/top/actions.ts';
import { fitting, row, share, visible, withRemark } from '../../src/cli/top/columns.ts';
import { detailsOf, help } from '../../src/cli/top/details.ts';
import { footer, headline, outageLine } from '../../src/cli/top/lines.ts';
import { COLUMNS, cellsOf, SECTIONS } from '../../src/cli/top/sections.ts';
import type { View } from '../../src/cli/top/top-state.ts';
import { wrapped } from '../../src/cli/top/wrapped.ts';
import type { Node } from '../../src/domain/node.ts';
import { aNodeRecord } from '../support/node-record.ts';

const NARROW = 60;
const node: Node = { ...aNodeRecord(), id: 'mac-1', heartbeatAgeMs: 900, orphaned: [] };
const counts = { waiting: 2, active: 4, delayed: 0, failed: 1, acknowledged: 0, completed: 9, cancelled: 0 };
const view: View = {
  readAt: 10_000,
  nodes: [node],
  tasks: [],
  snapshot: {
    mesh: 'studio',
    redis: { ok: true, latencyMs: 0.3 },
    nodes: { up: 12, gated: 1, draining: 0, paused: 0, dead: 2 },
    pools: { default: { ...counts, paused: false, pause: null } },
    oldestWaiting: null,
    running: [],
    moreRunning: 0,
    handovers: [],
    usageToday: { day: '2026-11-28', tasks: 0, input: 0, output: 0, total: 0, cost: null },
    circuits: [],
    problems: [],
  },
};

describe('the screen of top', () => {
  it('draws lines of exactly the width of the screen', () => {
    const cells = fc.array(fc.string(), { minLength: 7, maxLength: 7 });
    const section = fc.constantFrom(...SECTIONS);
    fc.assert(
      fc.property(section, cells, fc.integer({ min: 20, max: 200 }), (name, texts, width) => {
        expect(row(COLUMNS[name], texts, width - 2, width)).toSatisfy((line: string) => widthOf(line) === width - 2);
      }),
    );
  });

  it('leaves a readable last column on a terminal of 60 columns', () => {
    for (const name of ['nodes', 'tasks', 'handovers', 'problems'] as const) {
      const line = row(
        COLUMNS[name],
        COLUMNS[name].map((_, at) => 'x'.repeat(at === COLUMNS[name].length - 1 ? 80 : 1)),
        NARROW - 2,
        NARROW,
      );
      expect(line).toMatch(/x{10,}…$/);
    }
  });

  it('shortens the headline to the width of the terminal', () => {
    expect(headline(view, 120)).toBe(
      'mesh studio · nodes: 12 up, 1 gated, 2 dead · tasks: 4 active, 2 waiting, 1 failed · Redis 0.3 ms',
    );
    expect(headline(view, NARROW)).toBe('12 up, 1 gated, 2 dead · 4 active, 2 waiting, 1 failed');
  });

  it('offers as many keys as fit, and always those for help and to quit', () => {
    for (const section of SECTIONS) {
      const now = { question: undefined, typing: false, filter: '', note: '', section };
      for (const width of [NARROW, 80, 120]) {
        const line = footer(now, width);
        expect(line.length).toBeLessThanOrEqual(width);
        expect(line).toMatch(/\? help · q quit$/);
      }
      expect(footer(now, 120)).toContain(KEYS[section][0]?.hint);
    }
    expect(fitting(['a long hint'], 'q quit', 10)).toBe('q quit');
  });

  it('says how old the screen is while Redis is away', () => {
    expect(outageLine('Redis at h:1: connection lost', view, 22_000)).toBe(
      '✗ as of 12s ago: Redis at h:1: connection lost',
    );
    expect(outageLine('Redis at h:1: connection lost', undefined, 0)).toBe('✗ Redis at h:1: connection lost');
  });

  it('marks a list that continues, and never covers a short line', () => {
    expect(withRemark('TASK      MESSAGE   ', '1–3/9')).toBe('TASK      MES  1–3/9');
    expect(withRemark('TASK', '1–3/9')).toBe('TASK');
  });
});

describe('the lists of top', () => {
  it('divides the lines among its sections, and gives the focused one at least one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 5, maxLength: 5 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(4),
        (wanted, height, focus) => {
          const given = share(wanted, focus, height);
          expect(given.reduce((sum, lines) => sum + lines, 0)).toBeLessThanOrEqual(height);
          expect(given[focus]).toBeGreaterThan(0);
          expect(given.every((lines, index) => lines <= (wanted[index] ?? 0))).toBe(true);
          if (height >= 15) expect(given.every((lines, index) => lines >= Math.min(wanted[index] ?? 0, 3))).toBe(true);
        },
      ),
    );
  });

  it('shows the selected item of a list that is longer than its lines', () => {
    const list = Array.from({ length: 30 }, (_, index) => index);
    for (const chosen of [0, 7, 29]) expect(visible(list, chosen, 10).items).toContain(chosen);
  });

  it('shows that a pool is paused', () => {
    expect(cellsOf({ section: 'pools', pool: { name: 'xcode', ...counts, paused: true, pause: null } })).toEqual([
      'xcode',
      'paused',
      '2',
      '4',
      '0',
      '1',
      '9',
    ]);
  });
});

describe('the texts of top', () => {
  it('shows a problem and its remedy in full', () => {
    const problem = { severity: 'error' as const, what: 'node mac-1 is dead', fix: 'check h', actions: [] };
    expect(detailsOf({ section: 'problems', problem }, []).lines).toEqual(['✗ node mac-1 is dead', '', '→ check h']);
  });

  it('shows the gates of a node with their remedies', () => {
    const gates = [{ name: 'free-disk', open: false, reason: '2 GB left', fix: 'free some' }];
    const { lines } = detailsOf({ section: 'nodes', node: { ...node, gates } }, []);
    expect(lines).toContain('  closed free-disk: 2 GB left → free some');
  });

  it('explains every key in the help, in lines that fit into 60 columns', () => {
    const { lines } = help();
    for (const { key, help: text } of SECTIONS.flatMap((section) => KEYS[section])) {
      expect(lines).toContain(`  ${key.padEnd(8)}${text}`);
    }
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(NARROW);
  });

  it('breaks any text into lines that fit, and loses no word', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'bc', ' ', '\n', '日', '…'), maxLength: 200 });
    fc.assert(
      fc.property(text, fc.integer({ min: 4, max: 80 }), (written, width) => {
        const lines = wrapped(written, width);
        const wide = (line: string) => [...line].reduce((sum, char) => sum + (char === '日' ? 2 : 1), 0);
        expect(Math.max(...lines.map(wide))).toBeLessThanOrEqual(width);
        expect(lines.join('').replace(/\s/g, '')).toBe(written.replace(/\s/g, ''));
      }),
    );
  });
});
