import { cutText } from './cut-text.ts';
import { type Destination, describeDestination } from './delivery.ts';

/** Longest reason of the previous end that an agent is told, characters. */
const REASON_LENGTH = 500;

/** What an agent is told about its run, beside the prompt of the task. */
export interface RunFacts {
  readonly taskId: string;
  readonly nodeId: string;
  /** From 1. */
  readonly attempt: number;
  readonly handovers: number;
  /** Why an earlier run of the task ended without an answer; undefined if this is the first run. */
  readonly previousEnd?: string | undefined;
  /** The recipient of the answer. */
  readonly deliver?: Destination | undefined;
}

/** The system prompt that tells an agent which task and which run of it this is. */
export function runBriefing({ taskId, nodeId, attempt, handovers, previousEnd, deliver }: RunFacts): string {
  const lines = [
    `This is a run of the clawmesh task ${taskId} on the node ${nodeId}: attempt ${attempt}, handovers ${handovers}.`,
  ];
  if (attempt > 1 || handovers > 0) {
    const why = previousEnd === undefined ? '' : `: ${cutText(previousEnd, REASON_LENGTH)}`;
    lines.push(
      `An earlier run of this task ended without an answer${why}.`,
      'It may have had effects. Before you repeat an action with side effects (a commit, a message, a payment), check whether it was already done.',
    );
  }
  if (deliver) {
    lines.push(
      `clawmesh sends your final answer to ${describeDestination(deliver)} when the run ends. Do not send it yourself.`,
    );
  }
  return lines.join('\n');
}
