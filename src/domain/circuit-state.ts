import type { Circuit } from './circuit.ts';
import type { Transition } from './transition.ts';

/** The states of a provider's circuit, and what each means, for people. */
export const CIRCUIT_STATES = {
  none: 'No run of this provider has failed lately; its tasks run.',
  counting: 'Runs have failed, but too few to open the circuit; its tasks run.',
  open: 'The provider fails: its tasks are held, and the next probe is not due yet.',
  probing: 'The provider fails: its tasks are held, except for the one that probes it.',
} as const;
export type CircuitState = keyof typeof CIRCUIT_STATES;

/** `circuit`: undefined if the mesh knows of no failure. */
export function circuitStateOf(circuit: Pick<Circuit, 'openedAt' | 'probe'> | undefined): CircuitState {
  if (!circuit) return 'none';
  if (circuit.openedAt === null) return 'counting';
  return circuit.probe === null ? 'open' : 'probing';
}

const KNOWN = ['counting', 'open', 'probing'] as const;

/** All transitions of a circuit's state. A test holds the scripts to this table. */
export const CIRCUIT_TRANSITIONS = [
  {
    from: ['none'],
    to: ['counting'],
    event: 'count',
    by: 'node',
    when: 'A run failed because of its provider.',
  },
  {
    from: ['none', 'counting'],
    to: ['open'],
    event: 'open',
    by: 'node',
    when: 'Enough runs in a row failed, of at least two tasks, or the provider said that it serves no requests.',
  },
  {
    from: ['open'],
    to: ['probing'],
    event: 'probe',
    by: 'sweep',
    when: 'The next probe is due: a held task is released to probe the provider.',
  },
  {
    from: ['open'],
    to: ['probing'],
    event: 'probe',
    by: 'node',
    when: 'The next probe is due when a node claims a task of the provider, which becomes the probe.',
  },
  {
    from: ['probing'],
    to: ['open'],
    event: 'end-probe',
    by: 'node',
    when: 'The run of the probe failed. The next probe follows later.',
  },
  {
    from: ['probing'],
    to: ['open'],
    event: 'end-probe',
    by: 'sweep',
    when: 'No node claimed the probe in time, and its pool has no other task to probe with. Another pool may have.',
  },
  {
    from: KNOWN,
    to: ['none'],
    event: 'close',
    by: 'node',
    when: 'A run that began after the circuit had opened shows that the provider works. All held tasks are released.',
  },
  {
    from: KNOWN,
    to: ['none'],
    event: 'close',
    by: 'command',
    when: 'An operator closed the circuit. All held tasks are released.',
  },
  {
    from: KNOWN,
    to: ['none'],
    event: 'forget',
    by: 'sweep',
    when: 'No run has reported on the provider for long, and the circuit holds no task.',
  },
] as const satisfies readonly Transition<CircuitState>[];
