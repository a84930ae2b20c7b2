import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Node } from '../../src/domain/node.ts';
import { changesOf, liveNode, type MeshView, wholeOf } from '../../src/ops/dashboard/mesh-changes.ts';
import { changedMesh } from '../../src/ops/dashboard/page/shown-mesh.ts';
import type { Snapshot } from '../../src/ops/snapshot.ts';
import { aNodeRecord } from '../support/node-record.ts';

const NOW = 1_000_000;

/** A view with these nodes (id and number of tasks), running tasks (id and tokens) and time of a death. */
function aView(nodes: [string, number][], running: [string, number][], deadSince: number | null): MeshView {
  const { leaseMs: _, ...record } = aNodeRecord();
  const all = nodes.map(([id, count]): Node => {
    const ids = Array.from({ length: count }, (__, index) => `${id}-${index}`);
    return { ...record, id, pools: {}, running: ids, orphaned: [], heartbeatAgeMs: 1_000 * count };
  });
  const tasks = running.map(([id, tokens]) => ({ id, tokens, elapsedMs: Math.random(), message: 'x'.repeat(200) }));
  return {
    snapshot: {
      mesh: 'm',
      redis: { ok: true, latencyMs: Math.random() },
      running: tasks,
      moreRunning: nodes.length,
    } as unknown as Snapshot,
    nodes: new Map(all.map((node) => [node.id, liveNode(node, NOW, undefined)])),
    dead: deadSince === null ? [] : [{ node: 'a', from: deadSince, to: null, reason: 'crash' }],
  };
}

const some = (names: readonly string[]) =>
  fc.uniqueArray(fc.tuple(fc.constantFrom(...names), fc.nat(2)), { selector: ([name]) => name });
const someView = fc.tuple(some(['a', 'b', 'c']), some(['t1', 't2', 't3', 't4']), fc.option(fc.nat(3)));

describe('the changes of a mesh', () => {
  it('lead a page from any view to any other', () => {
    fc.assert(
      fc.property(someView, someView, (first, second) => {
        const [before, after] = [aView(...first), aView(...second)];
        const start = changedMesh(undefined, { all: true, ...wholeOf(before) });
        const change = changesOf(before, after);
        const shown = change ? changedMesh(start, { all: false, ...change }) : start;
        const plain = ({ snapshot, nodes, dead }: Omit<MeshView, 'nodes'> & { nodes: Iterable<unknown> }) => ({
          moreRunning: snapshot.moreRunning,
          running: snapshot.running.map(({ id, tokens }) => `${id} ${tokens}`),
          nodes: [...nodes],
          dead,
        });
        const nodes = [...after.nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
        expect(plain(shown)).toEqual(plain({ ...after, nodes }));
      }),
      // A page that is opened on a mesh where nothing runs.
      {
        examples: [
          [
            [[], [], null],
            [[], [], null],
          ],
        ],
      },
    );
  });

  it('are none if only times have passed', () => {
    fc.assert(
      fc.property(someView, (view) => {
        expect(changesOf(aView(...view), aView(...view))).toBeUndefined();
      }),
    );
  });

  it('contain of the running tasks only those that have changed', () => {
    const running: [string, number][] = Array.from({ length: 20 }, (_, index) => [`t${index}`, 1]);
    const change = changesOf(aView([], running, null), aView([], [...running.slice(1), ['t20', 1]], null));
    expect(change?.running?.changed.map(({ id }) => id)).toEqual(['t20']);
    expect(change?.running?.ids).toHaveLength(20);
  });

  it('keep the nodes that have not changed the same objects, so that their cards are not rendered again', () => {
    const [before, after] = [
      aView(
        [
          ['a', 0],
          ['b', 0],
        ],
        [],
        null,
      ),
      aView(
        [
          ['a', 1],
          ['b', 0],
        ],
        [],
        null,
      ),
    ];
    const start = changedMesh(undefined, { all: true, ...wholeOf(before) });
    const change = changesOf(before, after);
    const shown = change && changedMesh(start, { all: false, ...change });
    expect(shown?.nodes.map((node, index) => node === start.nodes[index])).toEqual([false, true]);
  });
});
