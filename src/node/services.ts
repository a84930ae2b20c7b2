import { adoptPrevious } from './adoption.ts';
import { AuthBackoff } from './auth-backoff.ts';
import type { NodeContext } from './context.ts';
import { Deliveries } from './deliveries.ts';
import { Drain } from './drain.ts';
import { FailureStreak } from './failure-streak.ts';
import { Gates } from './gates.ts';
import { GatewayRestarter } from './gateway-restarter.ts';
import { Heartbeat } from './heartbeat.ts';
import { createHeldReleaser } from './held-releaser.ts';
import { Inbox } from './inbox.ts';
import { createJanitor } from './janitor.ts';
import { LoadMeter } from './load.ts';
import { NodePause } from './node-pause.ts';
import { NodeProbe } from './node-probe.ts';
import { OpenClawWatch } from './openclaw-watch.ts';
import { Renewal } from './renewal.ts';
import { RunSet } from './run-set.ts';
import type { Service } from './service.ts';
import { createSleepWatch } from './sleep-watch.ts';
import { step } from './step.ts';
import { Sweep } from './sweep.ts';
import { createTriggers } from './triggers.ts';

/** All services of one incarnation. */
export interface Services {
  /** They start from top to bottom, and stop from bottom to top; those of one stage stop together. */
  readonly stages: readonly (readonly Service[])[];
  readonly drain: Drain;
  readonly gates: Gates;
  readonly heartbeat: Heartbeat;
  readonly runs: RunSet;
}

/** @param windowMs how long the tasks of the previous incarnation are reserved for this one, ms; 0: not at all. */
export function createServices(context: NodeContext, windowMs: number): Services {
  const { clock, live, log, runner } = context;
  const load = new LoadMeter();
  const drain = new Drain(context);
  const pause = new NodePause(context);
  const auth = new AuthBackoff(context);
  const failures = new FailureStreak(context);
  const restarter = runner.capabilities.outlivesDaemon ? GatewayRestarter.of(live.config, clock, log) : undefined;
  const openclaw = new OpenClawWatch(context, restarter);
  const probe = new NodeProbe(context, load);
  const gates = new Gates(context, { openclaw, auth, failures, probe, drain, pause });
  const runs = new RunSet(context, { gates, probe, auth, backoffs: [auth.backoff, failures.backoff] });
  const renewal = new Renewal(context, runs);
  const releaser = createHeldReleaser(context);
  const sweep = new Sweep(context, { runs, releaser });
  const deliveries = new Deliveries(context);
  const heartbeat = new Heartbeat(context, { gates, runs, sweep, renewal, drain, pause, openclaw, load, deliveries });
  const adopt = async () => runner.stopLeftovers(windowMs > 0 ? await adoptPrevious(context, runs) : []);
  const stages: Services['stages'] = [
    // Presence comes before the first heartbeat, which makes other nodes look for it.
    [new Inbox(context, { heartbeat, runs, sweep })],
    // The lease comes before any slow step, and lasts while the node has any claim.
    [heartbeat],
    [createSleepWatch(context, heartbeat), load, probe, auth, failures],
    [step('queues', { start: () => runs.open(), stop: () => runs.close() })],
    // Claims are renewed from their adoption until the last run has ended. Adoption takes longer the more claims there
    // are.
    [renewal, releaser, sweep, createJanitor(context, runs)],
    [step('adoption', { start: adopt })],
    // The node claims only after OpenClaw's health is known, and after no run of an earlier incarnation continues in
    // it.
    [openclaw],
    // Answers are sent until all runs have ended.
    [deliveries],
    [gates],
    // Claims stop first, since all services above serve them.
    [runs],
    [createTriggers(context, { renewal, runs })],
  ];
  return { stages, drain, gates, heartbeat, runs };
}
