import type { TaskSpec } from './task.ts';

/** What nodes are known by, as `nodes.<id>.labels` has it. */
export type Labels = Readonly<Record<string, string>>;

/**
 * The newest format of stored tasks that this clawmesh reads. While a mesh is upgraded node by node, tasks of a newer one
 * wait for a node that has been.
 */
export const TASK_FORMAT = 1;

/** The only agents and models that a node runs, as `nodes.<id>.allow` has them; any, where a list is not given. */
export interface Allowed {
  readonly agents?: readonly string[] | undefined;
  readonly models?: readonly string[] | undefined;
}

/** A node as far as targets look at it. */
export interface TargetNode {
  readonly id: string;
  readonly labels: Labels;
  readonly allow?: Allowed | undefined;
}

/**
 * Why a task is held for some nodes: `node:<id>` where only that one may run it, `prefer:<id>` where another may if that one
 * is gone, `require:<label>=<value>,…` where it takes a node with these labels, `format:<n>` where it takes a newer
 * clawmesh. Undefined where any node may run it. Nodes also let go of what they are not allowed, for one that is:
 * `allow:<agent>|<model>`, where the task has a target as well behind that and `&`.
 */
export function targetOf(spec: Pick<TaskSpec, 'node' | 'nodeFallback' | 'require'>): string | undefined {
  if (spec.node !== undefined) return `${spec.nodeFallback ? 'prefer' : 'node'}:${spec.node}`;
  const labels = Object.entries(spec.require ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return labels.length > 0 ? `require:${labels.map(([name, value]) => `${name}=${value}`).join(',')}` : undefined;
}

/**
 * For whom a node has to let go of a task: for the nodes that it is for, or for those that are allowed its agent (`main`
 * where it names none) and its model (any where it names none). Undefined where this node may run it.
 */
export function forOthers(
  spec: Pick<TaskSpec, 'node' | 'nodeFallback' | 'require' | 'agent' | 'model'>,
  node: TargetNode,
  fellBack = false,
): string | undefined {
  const target = fellBack && spec.nodeFallback ? undefined : targetOf(spec);
  if (target !== undefined && !mayRun(target, node)) return target;
  const needed = allowance(spec);
  if (mayRun(needed, node)) return undefined;
  return target === undefined || spec.nodeFallback ? needed : `${target}&${needed}`;
}

/** All that a task needs of a node, as scripts read it: its target, if it has one, then `&` and what a node must be allowed. */
export function needsOf(spec: Pick<TaskSpec, 'node' | 'nodeFallback' | 'require' | 'agent' | 'model'>): string {
  const target = targetOf(spec);
  return target === undefined ? allowance(spec) : `${target}&${allowance(spec)}`;
}

function allowance({ agent = 'main', model = '' }: Pick<TaskSpec, 'agent' | 'model'>): string {
  return `allow:${agent}|${model}`;
}

/** Whether tasks with this target may run on that node. */
export function mayRun(target: string, node: TargetNode): boolean {
  const [one = '', ...more] = target.split('&');
  return mayRunOne(one, node) && more.every((other) => mayRunOne(other, node));
}

function mayRunOne(target: string, node: TargetNode): boolean {
  const [, kind = '', what = ''] = /^(node|prefer|require|format|allow):(.*)$/.exec(target) ?? [];
  if (kind === 'allow') {
    const [agent = '', model = ''] = what.split('|');
    const { agents, models } = node.allow ?? {};
    return (!agents || agents.includes(agent)) && (!models || model === '' || models.includes(model));
  }
  if (kind === 'format') return Number(what) <= TASK_FORMAT;
  if (kind === 'node' || kind === 'prefer') return what === node.id;
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
  return /^(node|prefer|require|format|allow):/.test(why);
}

/** Why tasks of this one's session are held while it is busy, or at home on another node; undefined for a task without one. */
export function sessionReason(spec: Pick<TaskSpec, 'agent' | 'session'>): string | undefined {
  const session = sessionOf(spec);
  return session === undefined ? undefined : `session:${session}`;
}

/** The task's session as Redis names it, `<agent>|<session>`; undefined for a task without one. */
export function sessionOf({ agent = '', session }: Pick<TaskSpec, 'agent' | 'session'>): string | undefined {
  return session === undefined ? undefined : `${agent}|${session}`;
}
