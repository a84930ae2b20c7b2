import { ClawmeshError } from '../../domain/errors.ts';

/** Maximum number of schedules: enough for a small team, and checked within a second. */
export const MOST_SCHEDULES = 1_000;

export function noSchedule(name: string): ClawmeshError {
  return new ClawmeshError('not-found', `no schedule ${name}`, { remedy: 'see clawmesh schedule list' });
}

/** A schedule with a wrong signature must not be signed again. */
export function alteredSchedule(name: string, problem: string): ClawmeshError {
  return new ClawmeshError('failed', `schedule ${name} can't be used: ${problem}`, {
    remedy: `find out who changed it in Redis; then clawmesh schedule remove ${name}, and add it again`,
  });
}

export function changingSchedule(name: string): ClawmeshError {
  return new ClawmeshError('failed', `schedule ${name} changes all the time; nothing was updated`, {
    remedy: 'run the command again',
  });
}

/** Errors for a schedule that can't get its next task. */
export const NOT_ARMED = {
  'too-many': () =>
    new ClawmeshError('failed', `there are already ${MOST_SCHEDULES} schedules, the maximum`, {
      remedy: 'first remove a schedule that is no longer needed: clawmesh schedule remove',
    }),
  foreign: (name: string, pool: string) =>
    new ClawmeshError('failed', `another program already has a BullMQ job scheduler ${name} in pool ${pool}`, {
      remedy: 'choose another name, or remove that scheduler with BullMQ',
    }),
  taken: (name: string, pool: string) =>
    new ClawmeshError('failed', `pool ${pool} already has tasks at the next times of schedule ${name}`, {
      remedy: `find them with clawmesh task list --pool ${pool}, and remove them: clawmesh task remove repeat:${name}:<time>`,
    }),
};
