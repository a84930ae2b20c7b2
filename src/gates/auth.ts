import type { Gate } from './gate.ts';

/** The provider has refused this node's login, or there is none: each task would fail, or go to another node. */
export const auth: Gate = {
  name: 'auth',
  check: ({ loginTrouble }) =>
    loginTrouble === undefined
      ? null
      : {
          reason: loginTrouble,
          fix: 'log in to OpenClaw on that Mac: openclaw onboard, or openclaw models auth login',
        },
};
