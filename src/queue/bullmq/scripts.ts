import { script } from '../../redis/scripts.ts';

const FOLDER = 'queue/bullmq/lua';

/** Scripts that read or change the queue, each in one atomic step; see the headers of their files. */
export const scripts = {
  enqueue: script(FOLDER, 'enqueue'),
  claim: script(FOLDER, 'claim'),
  claimHeld: script(FOLDER, 'claim-held'),
  finish: script(FOLDER, 'finish'),
  retry: script(FOLDER, 'retry'),
  holdTask: script(FOLDER, 'hold-task'),
  admitClaim: script(FOLDER, 'admit-claim'),
  reassign: script(FOLDER, 'reassign'),
  release: script(FOLDER, 'release'),
  renewClaims: script(FOLDER, 'renew-claims'),
  appendLog: script(FOLDER, 'append-log'),
  adoptClaims: script(FOLDER, 'adopt-claims'),
  ownClaims: script(FOLDER, 'own-claims'),
  requeueClaims: script(FOLDER, 'requeue-claims'),
  releaseHeld: script(FOLDER, 'release-held'),
  pruneHeld: script(FOLDER, 'prune-held'),
  pruneEnded: script(FOLDER, 'prune-ended'),
  cancelTask: script(FOLDER, 'cancel-task'),
  retryTask: script(FOLDER, 'retry-task'),
  removeTask: script(FOLDER, 'remove-task'),
  acknowledgeTask: script(FOLDER, 'acknowledge-task'),
  removeExpired: script(FOLDER, 'remove-expired'),
  removeUnbegun: script(FOLDER, 'remove-unbegun'),
  circuitReport: script(FOLDER, 'circuit-report'),
  closeCircuit: script(FOLDER, 'close-circuit'),
  forgetCircuits: script(FOLDER, 'forget-circuits'),
  armSchedule: script(FOLDER, 'arm-schedule'),
  dropSchedule: script(FOLDER, 'drop-schedule'),
  pausePool: script(FOLDER, 'pause-pool'),
  forgetPool: script(FOLDER, 'forget-pool'),
};
