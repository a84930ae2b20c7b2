import type { TaskSpec } from './task.ts';

/** Labels of a node, from `nodes.<id>.labels`. */
export type Labels = Readonly<Record<string, string>>;

/**
 * The newest format of stored tasks that this version reads. While a mesh is upgraded node by node, tasks in a newer
 * format wait for an upgraded node.
 */
export const TASK_FORMAT = 1;

/** The only agents and models that a node runs, from `nodes.<id>.allow`. Without a list, all are allowed. */
export interface Allowed {
  /** The only agents; missing if all are allowed. */
  readonly agents?: readonly string[] | undefined;
  /** The only models; missing if all are allowed. */
  readonly models?: readonly string[] | undefined;
}

/** The part of a node that targets are compared with. */
export interface TargetNode {
  readonly id: string;
  readonly labels: Labels;
  readonly allow?: Allowed | undefined;
}

/** The agent of a task, and its model if it names one. A node must allow both to run the task. */
export interface Allowance {
  readonly agent: string;
  readonly model: string | undefined;
}

/**
 * The nodes that a task is held for. Redis stores it as text, which scripts parse too (`may-run.lua`,
 * `release-held.lua`):
 *
 * - `node:<id>`: only this node may run it.
 * - `prefer:<id>`: this node should run it; any other node may once this node is gone.
 * - `require:<label>=<value>,…`: a node with all these labels may run it.
 * - `format:<n>`: a node whose clawmesh reads this format of stored tasks may run it.
 * - `allow:<agent>|<model>`: a node that allows this agent and model may run it; an empty model means none.
 *
 * The first three may be followed by `&allow:<agent>|<model>`; a node then has to meet both.
 */
export type Target =
  | { readonly kind: 'node' | 'prefer'; readonly id: string; readonly allow?: Allowance }
  | { readonly kind: 'require'; readonly labels: readonly Label[]; readonly allow?: Allowance }
  | { readonly kind: 'format'; readonly format: number; readonly allow?: undefined }
  | { readonly kind: 'allow'; readonly allow: Allowance };

/** A label that a node must have, and its value. */
type Label = readonly [name: string, value: string];

/** A target that names nodes or labels, as users choose it for a task. */
type Place = Extract<Target, { kind: 'node' | 'prefer' | 'require' }>;

/** Parses a target; undefined if the text is none. Runs in time linear in the length of the text. */
export function parseTarget(text: string): Target | undefined {
  const [first = '', second, ...more] = text.split('&', 3);
  const target = parseSingle(first);
  if (target === undefined || second === undefined) return target;
  const other = parseSingle(second);
  const combine = target.kind !== 'allow' && target.kind !== 'format' && other?.kind === 'allow' && more.length === 0;
  return combine ? { ...target, allow: other.allow } : undefined;
}

function parseSingle(text: string): Target | undefined {
  const [, kind, what = ''] = /^(node|prefer|require|format|allow):(.+)$/s.exec(text) ?? [];
  switch (kind) {
    case 'node':
    case 'prefer':
      return { kind, id: what };
    case 'require': {
      const labels = what.split(',').map(parseLabel);
      return labels.every((label) => label !== undefined) ? { kind, labels } : undefined;
    }
    case 'format': {
      const format = Number(what);
      return Number.isSafeInteger(format) && format > 0 && String(format) === what ? { kind, format } : undefined;
    }
    case 'allow': {
      const [, agent, model] = /^([^|]*)\|(.*)$/s.exec(what) ?? [];
      return agent === undefined ? undefined : { kind, allow: { agent, model: model || undefined } };
    }
  }
  return undefined;
}

function parseLabel(text: string): Label | undefined {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  return name === undefined || value === undefined ? undefined : [name, value];
}

/** The text that {@link parseTarget} parses. */
export function formatTarget(target: Target): string {
  const { allow } = target;
  const allowed = allow && `allow:${allow.agent}|${allow.model ?? ''}`;
  return [formatPlace(target), allowed].filter((part) => part !== undefined).join('&');
}

function formatPlace(target: Target): string | undefined {
  switch (target.kind) {
    case 'node':
    case 'prefer':
      return `${target.kind}:${target.id}`;
    case 'require':
      return `require:${target.labels.map((label) => label.join('=')).join(',')}`;
    case 'format':
      return `format:${target.format}`;
    case 'allow':
      return undefined;
  }
}

/** Whether tasks with this target may run on that node. */
export function mayRun(target: Target, node: TargetNode): boolean {
  if (target.allow && !isAllowed(target.allow, node)) return false;
  switch (target.kind) {
    case 'node':
    case 'prefer':
      return target.id === node.id;
    case 'require':
      return target.labels.every(([name, value]) => Object.hasOwn(node.labels, name) && node.labels[name] === value);
    case 'format':
      return target.format <= TASK_FORMAT;
    case 'allow':
      return true;
  }
}

function isAllowed({ agent, model }: Allowance, { allow = {} }: TargetNode): boolean {
  const { agents, models } = allow;
  return (!agents || agents.includes(agent)) && (!models || model === undefined || models.includes(model));
}

/** The target that the user chose for a task, as Redis stores it; undefined if any node may run the task. */
export function targetOf(spec: Pick<TaskSpec, 'node' | 'nodeFallback' | 'require'>): string | undefined {
  const place = placeOf(spec);
  return place && formatTarget(place);
}

function placeOf({
  node,
  nodeFallback,
  require = {},
}: Pick<TaskSpec, 'node' | 'nodeFallback' | 'require'>): Place | undefined {
  if (node !== undefined) return { kind: nodeFallback ? 'prefer' : 'node', id: node };
  const labels = Object.entries(require).sort(([a], [b]) => (a < b ? -1 : 1));
  return labels.length > 0 ? { kind: 'require', labels } : undefined;
}

/**
 * The other nodes that a node must release a task for: the nodes of its target, or nodes that allow its agent (`main`
 * by default) and its model (any by default). Undefined if this node may run the task.
 */
export function forOthers(
  spec: Pick<TaskSpec, 'node' | 'nodeFallback' | 'require' | 'agent' | 'model'>,
  node: TargetNode,
  fellBack = false,
): Target | undefined {
  const place = fellBack && spec.nodeFallback ? undefined : placeOf(spec);
  if (place && !fits(place, node)) return place;
  const needed: Target = { kind: 'allow', allow: allowanceOf(spec) };
  if (fits(needed, node)) return undefined;
  return place && !spec.nodeFallback ? { ...place, allow: needed.allow } : needed;
}

/**
 * Whether the node may run such tasks, after the same text round trip that all nodes apply. Other programs may queue
 * names with separators in them. Without the round trip, this node could release a task that every node reads as meant
 * for this node.
 */
function fits(target: Target, node: TargetNode): boolean {
  const read = parseTarget(formatTarget(target));
  return read !== undefined && mayRun(read, node);
}

/** Everything a task needs of a node, as scripts read it: its target, if any, and the agent and model to be allowed. */
export function needsOf(spec: Pick<TaskSpec, 'node' | 'nodeFallback' | 'require' | 'agent' | 'model'>): string {
  const place = placeOf(spec);
  const allow = allowanceOf(spec);
  return formatTarget(place ? { ...place, allow } : { kind: 'allow', allow });
}

function allowanceOf({ agent = 'main', model }: Pick<TaskSpec, 'agent' | 'model'>): Allowance {
  return { agent, model };
}

/** The name of the task's session in Redis, `<agent>|<session>`; undefined for a task without a session. */
export function sessionOf({ agent = '', session }: Pick<TaskSpec, 'agent' | 'session'>): string | undefined {
  return session === undefined ? undefined : `${agent}|${session}`;
}
