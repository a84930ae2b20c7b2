import type { Service } from './service.ts';

/** What a {@link step} does at its start, at its stop, or at both. */
export interface Steps {
  readonly start: () => unknown;
  readonly stop?: () => unknown;
}

/** A service that does nothing between its start and its stop. */
export function step(name: string, steps: Steps): Service {
  let state: 'new' | 'started' | 'stopped' = 'new';
  return {
    name,
    start: async () => {
      if (state !== 'new') return;
      state = 'started';
      await steps.start();
    },
    stop: async () => {
      const wasStarted = state === 'started';
      state = 'stopped';
      if (wasStarted) await steps.stop?.();
    },
  };
}
