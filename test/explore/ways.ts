/** A way that has once led to a broken promise, as short as it could be made. */
export interface Way {
  readonly world: string;
  readonly was: string;
  readonly steps: readonly string[];
}

/** Taken again in each run of the tests, forever. */
export const WAYS: readonly Way[] = [
  {
    world: 'plain',
    was: 'a task that was queued again said that it is held for those before it, of which it has none',
    steps: ['enqueue 1', 'cancel 1', 'retry 1'],
  },
  {
    world: 'session',
    was: 'the next task of a session did not say for which session it is held, so that it stayed on its list once cancelled',
    steps: ['enqueue 1', 'enqueue 2', 'mac-1 claim default', 'mac-2 claim default', 'cancel 2'],
  },
  {
    world: 'schedule',
    was: 'a schedule queued no next task while the one before waited for its second attempt, if the node died at the claim',
    steps: ['schedule add a', 'mac-2 claim default unadvanced', 'mac-2~1 crash s1', 'schedules mended'],
  },
  {
    world: 'plain',
    was: 'a late report of a run made the node forget its later claim of that task, and run the task a second time',
    steps: [
      'enqueue 1',
      'mac-1 claim default',
      'mac-1~1 releases 1',
      'mac-1 claim default',
      'mac-1~1 repeats 1',
      'mac-1 recovers',
    ],
  },
];
