import { ClawmeshError } from '../../domain/errors.ts';
import type { Task } from '../../domain/task.ts';

/** What the operator lets the agent do. */
export interface McpPolicy {
  /** Offer only the tools that change nothing. */
  readonly readOnly: boolean;
  /** The only pools that it may use, its default first; empty for any pool. */
  readonly pools: readonly string[];
  /** The only OpenClaw agents that it may use, its default first; empty for any agent. */
  readonly agents: readonly string[];
}

/** The pool, agent and session of a task. */
type Place = Pick<Task, 'pool' | 'agent' | 'session'>;

/** @throws ClawmeshError `usage` if the agent may not touch tasks of this place. */
export function checkAllowed({ pools, agents }: McpPolicy, { pool, agent, session }: Place): void {
  if (pools.length > 0 && !pools.includes(pool)) throw refused(`pool ${pool}`, pools);
  if (agents.length === 0) return;
  if (agent === null || !agents.includes(agent)) throw refused(`agent ${agent ?? '(the default)'}`, agents);
  // The key of an OpenClaw session may name an agent, too: agent:<id>:<rest>.
  const named = /^agent:([^:]*)/i.exec(session ?? '')?.[1];
  if (named !== undefined && !agents.includes(named)) throw refused(`a session of agent ${named}`, agents);
}

function refused(what: string, allowed: readonly string[]): ClawmeshError {
  return new ClawmeshError('usage', `this server may not use ${what}`, { remedy: `allowed: ${allowed.join(', ')}` });
}
