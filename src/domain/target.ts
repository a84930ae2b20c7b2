import type { TaskSpec } from './task.ts';

/** What nodes are known by, as `nodes.<id>.labels` has it. */
export type Labels = Readonly<Record<string, string>>;

/** A node as far as targets look at it. */
export interface TargetNode {
  readonly id: string;
  readonly labels: Labels;
}

/**
 * Why a task is held for some nodes: `node:<id>` where only that one may run it, `require:<label>=<value>,…` where it takes
 * a node with these labels. Undefined where any node may run it.
 */
export function targetOf(spec: Pick<TaskSpec, 'node' | 'require'>): string | undefined {
  if (spec.node !== undefined) return `node:${spec.node}`;
  const labels = Object.entries(spec.require ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return labels.length > 0 ? `require:${labels.map(([name, value]) => `${name}=${value}`).join(',')}` : undefined;
}

/** Whether tasks with this target may run on that node. */
export function mayRun(target: string, node: TargetNode): boolean {
  const [, kind = '', what = ''] = /^(node|require):(.*)$/.exec(target) ?? [];
  if (kind === 'node') return what === node.id;
  return (
    kind === 'require' &&
    what.split(',').every((pair) => {
      const [name = '', value] = pair.split('=');
      return Object.hasOwn(node.labels, name) && node.labels[name] === value;
    })
  );
}

/** Whether this is a target at all, and not another reason why tasks are held. */
export function isTarget(why: string): boolean {
  return /^(node|require):/.test(why);
}
