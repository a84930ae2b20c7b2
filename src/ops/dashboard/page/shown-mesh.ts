import type { Snapshot } from '../../snapshot.ts';
import type { LiveNode, MeshChange } from '../mesh-changes.ts';
import type { DeadPeriod } from '../timeline.ts';

/** What the page shows of the mesh, except the runs. */
export interface ShownMesh {
  readonly snapshot: Snapshot;
  /** By id. A node that has not changed stays the same object. */
  readonly nodes: readonly LiveNode[];
  readonly dead: readonly DeadPeriod[];
}

const NAMES = new Intl.Collator('en', { numeric: true });

/** The mesh after this message. The first message contains all fields of everything. */
export function changedMesh(known: ShownMesh | undefined, change: MeshChange & { readonly all: boolean }): ShownMesh {
  const nodes = new Map(change.all ? [] : known?.nodes.map((node) => [node.id, node]));
  for (const node of change.nodes) nodes.set(node.id, { ...nodes.get(node.id), ...node } as LiveNode);
  for (const id of change.gone) nodes.delete(id);
  const tasks = new Map(
    [...(known?.snapshot.running ?? []), ...(change.running?.changed ?? [])].map((one) => [one.id, one]),
  );
  const running = change.running?.ids.flatMap((id) => tasks.get(id) ?? []) ?? known?.snapshot.running ?? [];
  return {
    snapshot: { ...known?.snapshot, ...change.snapshot, running } as Snapshot,
    nodes: [...nodes.values()].sort((a, b) => NAMES.compare(a.id, b.id)),
    dead: change.dead ?? known?.dead ?? [],
  };
}
