import type { Redis } from 'ioredis';
import type { Claim } from '../../domain/claim.ts';
import { cutText } from '../../domain/cut-text.ts';
import { sessionOf } from '../../domain/target.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { readField, storedResult, storedSpec } from './task-fields.ts';

/** Longest quoted part of a message or an answer, characters. */
const QUOTED = 1_000;

/** The last exchanges of a session, oldest first, for a node that has to restart it; '' if none of them is kept. */
export async function sessionContext(
  redis: Redis,
  keys: MeshKeys,
  claim: Pick<Claim, 'spec' | 'movedFrom'>,
  exchanges: number,
): Promise<string> {
  const session = sessionOf(claim.spec);
  if (session === undefined || claim.movedFrom === undefined || exchanges === 0) return '';
  const recent = await redis.lrange(keys.recentOfSession(session), 0, exchanges - 1);
  const quotes: string[] = [];
  for (const task of recent.toReversed()) {
    const [data, returned] = await redis.hmget(`${keys.bullPrefix}:${task}`, 'data', 'returnvalue');
    const message = readField(storedSpec, data)?.message;
    const answer = readField(storedResult, returned)?.text;
    if (message !== undefined && answer !== undefined) quotes.push(`> ${quoted(message)}\n\n${quoted(answer)}`);
  }
  if (quotes.length === 0) return '';
  const about = `[This conversation has moved from another machine (${claim.movedFrom}). Its last exchanges, oldest first:]`;
  return `${about}\n\n${quotes.join('\n\n')}\n\n[End of the earlier exchanges. The conversation continues:]\n\n`;
}

function quoted(text: string): string {
  const whole = text.trim();
  return whole.length <= QUOTED ? whole : `${cutText(whole, QUOTED)}…`;
}
