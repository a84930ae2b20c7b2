import { formatTarget, mayRun, parseTarget, sessionOf, type Target, type TargetNode } from './target.ts';
import type { Task, TaskSpec } from './task.ts';

/**
 * Why a task is held: it comes after others, the circuit of its provider is open, its session is busy or sticky to another
 * node, or only some nodes may run it.
 *
 * Redis has it as a text, in the task's hash and behind the pool in the set of what is held. Scripts read that text as
 * well: `after`, `circuit:<circuit>`, `session:<agent>|<session>`, or that of a {@link Target}.
 */
export type HoldReason =
  | { readonly kind: 'after' }
  | { readonly kind: 'circuit'; readonly circuit: string }
  | SessionReason
  | Target;

/** A session belongs to an agent; undefined is the default one. */
export interface SessionReason {
  readonly kind: 'session';
  readonly agent: string | undefined;
  readonly session: string;
}

/** Longest text that is read as a reason, characters; some 500 of the longest labels fit. */
const MAX_LENGTH = 65_536;

/** The reason that this text stands for; undefined for one that this clawmesh does not know. */
export function parseHoldReason(text: string): HoldReason | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  if (text === 'after') return { kind: 'after' };
  const [, circuit] = /^circuit:(.+)$/s.exec(text) ?? [];
  if (circuit !== undefined) return { kind: 'circuit', circuit };
  const [, agent, session] = /^session:([^|]*)\|(.*)$/s.exec(text) ?? [];
  if (session !== undefined) return { kind: 'session', agent: agent || undefined, session };
  return parseTarget(text);
}

/** The text that {@link parseHoldReason} reads. */
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

/** The reason as people read it in `heldBy` of a task: `session chat`, `node mac-1`. */
export function describeHoldReason(reason: HoldReason): string {
  // Programs read `heldBy`, too, and know it so: its first colon becomes a space, even if it is part of a session's key.
  return (reason.kind === 'session' ? `session ${reason.session}` : formatHoldReason(reason)).replace(':', ' ');
}

/**
 * Why a task is held that people see; undefined if it is not held, or for a reason that this clawmesh does not know.
 * `heldBy` leaves out the agent of a session, which is the task's own.
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

/** Why tasks of this one's session are held while it is busy or sticky to another node; undefined for a task without one. */
export function sessionReason({ agent, session }: Pick<TaskSpec, 'agent' | 'session'>): SessionReason | undefined {
  return session === undefined ? undefined : { kind: 'session', agent, session };
}

/** Whether the task is held for some nodes, and waits for nothing else. */
export function isTarget(reason: HoldReason): reason is Target {
  return reason.kind !== 'after' && reason.kind !== 'circuit' && reason.kind !== 'session';
}

/** Whether a node may take tasks that are held for this reason: never if that is unknown, or they wait for no node. */
export function isEligible(reason: HoldReason | undefined, node: TargetNode): boolean {
  return reason !== undefined && isTarget(reason) && mayRun(reason, node);
}
