import { readScript } from '../../redis/scripts.ts';

const script = (name: string) => readScript(new URL('./lua/', import.meta.url), name);

/** Scripts that read or change the queue, each in one atomic step; see the headers of their files. */
export const scripts = {
  enqueue: script('enqueue'),
  claim: script('claim'),
  claimHeld: script('claim-held'),
  finish: script('finish'),
  retry: script('retry'),
  holdTask: script('hold-task'),
  admitClaim: script('admit-claim'),
  reassign: script('reassign'),
  release: script('release'),
  renewClaims: script('renew-claims'),
  appendLog: script('append-log'),
  adoptClaims: script('adopt-claims'),
  ownClaims: script('own-claims'),
  requeueClaims: script('requeue-claims'),
  releaseHeld: script('release-held'),
  pruneHeld: script('prune-held'),
  pruneEnded: script('prune-ended'),
  cancelTask: script('cancel-task'),
  retryTask: script('retry-task'),
  removeTask: script('remove-task'),
  acknowledgeTask: script('acknowledge-task'),
  removeExpired: script('remove-expired'),
  removeUnbegun: script('remove-unbegun'),
  circuitReport: script('circuit-report'),
  closeCircuit: script('close-circuit'),
  forgetCircuits: script('forget-circuits'),
  armSchedule: script('arm-schedule'),
  dropSchedule: script('drop-schedule'),
  pausePool: script('pause-pool'),
  resumePools: script('resume-pools'),
  forgetPool: script('forget-pool'),
};
