import type { CronJob, CronJobPart } from '../../domain/cron-job.ts';
import type { ChannelDestination } from '../../domain/delivery.ts';

/**
 * Where OpenClaw sends the result of a job: the same destination for its tasks, undefined for none, or a text for people
 * if tasks can't send it there. The chat of the last message (`last`) is known to its gateway only, and the JSON that
 * OpenClaw posts to a webhook is not that of clawmesh.
 */
export function destinationOf({ delivery, failureAlert }: CronJob): ChannelDestination | undefined | string {
  if (isPart(failureAlert)) return 'an alert if it fails';
  if (!delivery || delivery.mode === 'none') return delivery?.failureDestination ? 'a chat if it fails' : undefined;
  const { mode, channel, to, accountId, threadId, bestEffort: _bestEffort, ...others } = delivery;
  if (mode === 'webhook') return 'a webhook';
  if (mode !== 'announce' || Object.values(others).some((value) => value !== undefined)) return 'several places';
  if (typeof channel !== 'string' || channel === 'last' || typeof to !== 'string') return 'the last chat';
  return {
    channel,
    to,
    ...(typeof accountId === 'string' && { account: accountId }),
    ...(threadId !== undefined && { thread: String(threadId) }),
  };
}

function isPart(value: unknown): value is CronJobPart {
  return typeof value === 'object' && value !== null;
}
