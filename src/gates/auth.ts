import { defineGate } from './gate.ts';

/** The provider refused this node's login, or there is none: every task would fail, or move to another node. */
export const auth = defineGate({
  name: 'auth',
  check: ({ authTrouble }) => (authTrouble === undefined ? null : { problem: authTrouble }),
  remedy: 'log in to OpenClaw on that Mac: openclaw onboard, or openclaw models auth login',
});
