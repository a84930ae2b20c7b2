import type { Gate } from './gate.ts';

/** The provider has refused this node's login, though another node could run the task. */
export const auth: Gate = {
  name: 'auth',
  check: ({ loginTrouble }) =>
    loginTrouble === undefined ? null : { reason: loginTrouble, fix: 'log in to OpenClaw on that Mac' },
};
