import { formatTarget, mayRun, parseTarget, sessionOf, type Target, type TargetNode } from './target.ts';
import type { Task, TaskSpec } from './task.ts';

/**
 * Why a task is held: it comes after other tasks, the circuit of its provider is open, its session is busy or sticky to
 * another node, or only some nodes may run it.
 *
 * Redis stores the reason as text: in the task's hash, and after the pool's name in the set of held tasks. Scripts
 * parse that text too: `after`, `circuit:<circuit>`, `session:<agent>|<session>`, or the text of a {@link Target}.
 */
export type HoldReason =
  | { readonly kind: 'after' }
  | { readonly kind: 'circuit'; readonly circuit: string }
  | SessionReason
  | Target;

/** A session belongs to an agent; undefined means the default agent. */
export interface SessionReason {
  readonly kind: 'session';
  readonly agent: string | undefined;
  readonly session: string;
}

/** Longest text that is parsed as a reason, in characters. About 500 labels of the maximum length fit. */
const MAX_LENGTH = 65_536;

/** Parses a reason; undefined if this version of clawmesh does not know it. */
export function parseHoldReason(text: string): HoldReason | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  if (text === 'after') return { kind: 'after' };
  const [, circuit] = /^circuit:(.+)$/s.exec(text) ?? [];
  if (circuit !== undefined) return { kind: 'circuit', circuit };
  const [, agent, session] = /^session:([^|]*)\|(.*)$/s.exec(text) ?? [];
  if (session !== undefined) return { kind: 'session', agent: agent || undefined, session };
  return parseTarget(text);
}

/** The text that {@link parseHoldReason} parses. */
export function formatHoldReason(reason: HoldReason): string {
  switch (reason.kind) {
    case 'after':
      return 'after';
    case 'circuit':
      return `circuit:${reason.circuit}`;
    case 'session':
      return `session:${sessionOf(reason)}`;
    default:
      return formatTarget(reason);
  }
}

/** The reason as people read it in a task's `heldBy`: `session chat`, `node mac-1`. */
export function describeHoldReason(reason: HoldReason): string {
  // Programs depend on this form of `heldBy`: its first colon becomes a space, even if it is part of a session's key.
  return (reason.kind === 'session' ? `session ${reason.session}` : formatHoldReason(reason)).replace(':', ' ');
}

/**
 * Parses a task's `heldBy`; undefined if the task is not held, or if this version of clawmesh does not know the reason.
 * `heldBy` omits the agent of a session, which is the task's own agent.
 */
export function holdReasonOf({
  heldBy,
  agent,
  session,
}: Pick<Task, 'heldBy' | 'agent' | 'session'>): HoldReason | undefined {
  if (heldBy === null) return undefined;
  const own = sessionReason({ agent: agent ?? undefined, session: session ?? undefined });
  if (own && heldBy === describeHoldReason(own)) return own;
  return parseHoldReason(heldBy.replace(' ', ':'));
}

/**
 * Why tasks of this task's session are held while the session is busy or sticky to another node; undefined without a
 * session.
 */
export function sessionReason({ agent, session }: Pick<TaskSpec, 'agent' | 'session'>): SessionReason | undefined {
  return session === undefined ? undefined : { kind: 'session', agent, session };
}

/** Whether the task waits only for certain nodes. */
export function isTarget(reason: HoldReason): reason is Target {
  return reason.kind !== 'after' && reason.kind !== 'circuit' && reason.kind !== 'session';
}

/**
 * Whether a node may claim tasks that are held for this reason. False if the reason is unknown or has nothing to do
 * with nodes.
 */
export function isEligible(reason: HoldReason | undefined, node: TargetNode): boolean {
  return reason !== undefined && isTarget(reason) && mayRun(reason, node);
}
