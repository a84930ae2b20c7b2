import { hostname } from 'node:os';
import type { Mesh } from '../../client/mesh.ts';
import { stateFolder } from '../../config/home.ts';
import { nodeConfig } from '../../config/node-settings.ts';
import type { Config } from '../../config/schema.ts';
import type { Clock } from '../../domain/clock.ts';
import { counted } from '../../domain/counted.ts';
import { diskFinding, freeDiskText } from '../../domain/free-disk.ts';
import { type OpenClawMode, slotsOf } from '../../domain/node.ts';
import { isThere } from '../../domain/node-state.ts';
import { humanDuration } from '../../domain/units.ts';
import { freeDisk } from '../../platform/disk-and-memory.ts';
import { openclawConcurrency } from '../../platform/openclaw-setting.ts';
import { sleepsAfterMinutes } from '../../platform/sleep-settings.ts';
import { type CheckResult, failed, found, fromError, ok, warning } from './check-result.ts';
import { checkService } from './service-check.ts';

/** The state of this machine's OpenClaw. */
export interface OpenClawHealth {
  readonly mode: OpenClawMode;
  /** Properties of its runner; see `RunnerCapabilities`. */
  readonly capabilities: {
    readonly hasProvider: boolean;
    readonly limitsRuns: boolean;
    readonly startsProgram: boolean;
    readonly remedy: string;
  };
  readonly version: string | null;
  /** Why OpenClaw is not healthy; null if it is. */
  readonly reason: string | null;
  /** Why OpenClaw has no login for its model; see `Runner.loginTrouble`. */
  readonly login?: string | null | undefined;
}

/** This machine as a node: its id, OpenClaw, disk and sleep. */
export async function checkMachine(of: {
  config: Config;
  nodeId: string;
  openclaw: () => Promise<OpenClawHealth>;
}): Promise<readonly CheckResult[]> {
  const { config, nodeId } = of;
  const health = await of.openclaw();
  return [
    checkInventory(config, nodeId),
    ...checkOpenClaw(config, health),
    ...(health.capabilities.limitsRuns ? await checkConcurrency(config, nodeId) : []),
    await checkDisk(config, process.env),
    await checkSleep(),
    ...(await checkService(config, health)),
  ];
}

/** Whether the machine's clock agrees with Redis, to half a round trip (ms). */
export async function checkClock(
  config: Config,
  server: Pick<Mesh['server'], 'time'>,
  clock: Clock,
): Promise<CheckResult> {
  const before = clock.now();
  const redisTime = await server.time();
  const skewMs = Math.round((before + clock.now()) / 2 - redisTime);
  const evidence = `the clock of this machine is ${humanDuration(Math.abs(skewMs))} ${skewMs < 0 ? 'behind' : 'ahead of'} Redis`;
  const { maxClockSkew, clockSkew } = config.gates;
  if (Math.abs(skewMs) <= maxClockSkew) return ok('clock', evidence);
  return (clockSkew === 'close' ? failed : warning)('clock', evidence, 'turn on network time on this machine');
}

/** Whether another machine is up under this one's node id. */
export async function checkIdentity(nodeId: string, nodes: Pick<Mesh['node'], 'find'>): Promise<CheckResult> {
  const node = await nodes.find(nodeId);
  const elsewhere = node && isThere(node.state) && node.host !== hostname();
  if (!elsewhere) return ok('node-identity', `${nodeId}: no other machine has this id`);
  return failed(
    'node-identity',
    `${nodeId} is also the id of ${node.host}, which is up`,
    'give each Mac its own id (CLAWMESH_NODE_ID)',
  );
}

function checkInventory(config: Config, nodeId: string): CheckResult {
  const inventory = Object.keys(config.nodes);
  if (inventory.length === 0 || inventory.includes(nodeId)) return ok('inventory', `this machine is ${nodeId}`);
  return warning(
    'inventory',
    `this machine is ${nodeId}, which is not under nodes: in the config`,
    'add it there, or set CLAWMESH_NODE_ID to its id in the inventory',
  );
}

function checkOpenClaw({ openclaw, gates }: Config, health: OpenClawHealth): readonly CheckResult[] {
  const { mode, capabilities, version, reason, login } = health;
  if (!capabilities.hasProvider) {
    if (openclaw.mode === mode) return [ok('openclaw', 'tasks are simulated, as configured')];
    return [
      warning(
        'openclaw',
        'no gateway is ready and openclaw is not on PATH: tasks would only be simulated',
        'install OpenClaw here or start its gateway; openclaw.mode: gateway or exec makes this an error',
      ),
    ];
  }
  if (reason !== null) return [failed('openclaw', `${mode}: ${reason}`, capabilities.remedy)];
  const here = [ok('openclaw', `${mode}, version ${version ?? 'unknown'}`), ...checkLogin(login)];
  if (openclaw.version === undefined || openclaw.version === version) return here;
  const pinned = `this machine has OpenClaw ${version ?? 'of unknown version'}, but the mesh requires ${openclaw.version}`;
  const level = gates.versionMismatch === 'close' ? failed : warning;
  return [
    ...here,
    level('openclaw-version', pinned, `npm i -g openclaw@${openclaw.version}, or change openclaw.version`),
  ];
}

function checkLogin(login: OpenClawHealth['login']): readonly CheckResult[] {
  if (login === undefined) return [];
  if (login === null) return [ok('openclaw-login', 'OpenClaw has a login for its default model')];
  const fix = 'as the user of the daemon, run openclaw onboard or openclaw models auth login';
  return [failed('openclaw-login', `every task would fail here: ${login}`, fix)];
}

/**
 * If the gateway runs fewer agents at once than the node claims tasks, the rest wait although other nodes have free
 * slots.
 */
async function checkConcurrency(config: Config, nodeId: string): Promise<readonly CheckResult[]> {
  const atOnce = await openclawConcurrency(config.openclaw.exec.bin);
  if (atOnce === undefined) return [];
  const { pools, maxTasks } = nodeConfig(config, nodeId);
  const slots = slotsOf(Object.values(pools), maxTasks);
  const evidence = `OpenClaw runs up to ${counted(atOnce, 'agent')} at once, ${nodeId} claims up to ${counted(slots, 'task')}`;
  if (atOnce >= slots) return [ok('openclaw-concurrency', evidence)];
  return [
    warning(
      'openclaw-concurrency',
      `${evidence}: the others would wait inside OpenClaw`,
      `openclaw config set agents.defaults.maxConcurrent ${slots}, or lower node.pools or node.maxTasks`,
    ),
  ];
}

/** The rule of the gate `free-disk`, on the disk of this machine's state folder. */
export async function checkDisk({ mesh, gates }: Config, env: NodeJS.ProcessEnv): Promise<CheckResult> {
  try {
    const folder = stateFolder(mesh, env);
    const free = await freeDisk(folder);
    const finding = diskFinding({ folder, free, required: gates.minFreeDisk });
    return finding ? found('free-disk', finding) : ok('free-disk', freeDiskText(free));
  } catch (error) {
    return fromError('free-disk', error);
  }
}

async function checkSleep(): Promise<CheckResult> {
  const minutes = await sleepsAfterMinutes();
  if (minutes === undefined || minutes === 0) return ok('sleep', 'this machine does not go to sleep when idle');
  return warning(
    'sleep',
    `this Mac goes to sleep after ${counted(minutes, 'idle minute')}, and is then gone from the mesh`,
    'sudo pmset -c sleep 0 (while tasks run, clawmesh keeps the Mac awake)',
  );
}
