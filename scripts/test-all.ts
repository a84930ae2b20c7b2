import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browserPath } from '../test/support/browser.ts';
import { engineAnswers } from '../test/support/container-engine.ts';
import { bullmqFolder, newestBullmq } from './install-bullmq.ts';
import { testServers } from './install-servers.ts';
import { Tally } from './tally.ts';

// `npm run test:all [group...]`: everything that needs more than Redis, by group. Each installs what it needs and says so.

interface Group {
  readonly name: string;
  readonly about: string;
  /** Why it can't run here; undefined when it can. Asked before anything is installed. */
  readonly impossible?: () => string | undefined;
  readonly run: (tally: Tally) => Promise<unknown>;
}

const linuxRoot = () =>
  process.platform === 'linux' && process.getuid?.() === 0 ? undefined : 'it requires Linux and root';
const linux = () => (process.platform === 'linux' ? undefined : 'it requires Linux');
const debian = () => (has('apt-get') ? undefined : 'it requires the packages of Debian');

/** The tests of a group's own folder. */
const own = (name: string) => (tally: Tally) => tally.vitest(name, ['--project', 'groups', `test/groups/${name}/`]);

/** As {@link own}, for tests that run beside each other. */
const parallel = (name: string) => (tally: Tally) =>
  tally.vitest(name, ['--project', 'parallel', `test/groups/${name}/`]);

/** What must hold on every server: the queue's scripts, the registry's, and the core of the end-to-end tests. */
const ON_EVERY_SERVER = ['test/queue', 'test/registry', 'test/e2e/failover.test.ts', 'test/e2e/mesh.test.ts'];

const GROUPS: readonly Group[] = [
  { name: 'docs', about: 'the commands in README, tutorial, how-to pages and FAQ', run: parallel('docs') },
  {
    name: 'faults',
    about:
      'the worst moments for a failover, full disks, cloned Macs, bad and hostile input, an emptied Redis, a provider in trouble',
    run: parallel('faults'),
  },
  { name: 'placement', about: 'which Mac gets a task: targets, labels, strategies', run: parallel('placement') },
  { name: 'operations', about: 'doctor, drains, alerts, rights in Redis, dashboard, traces', run: own('operations') },
  { name: 'network', about: 'a pulled cable, in network namespaces', impossible: linuxRoot, run: own('network') },
  { name: 'sentinel', about: 'Redis behind Sentinels and TLS', run: own('sentinel') },
  { name: 'services', about: 'launchd, systemd, and the installed package', impossible: linux, run: own('services') },
  { name: 'shells', about: 'completion in bash, zsh and fish, and of the config in an editor', run: own('shells') },
  { name: 'terminal', about: 'clawmesh top in a terminal', run: own('terminal') },
  {
    name: 'browser',
    about: 'the dashboard in a browser',
    // Debian's packages have one; elsewhere it has to be there.
    impossible: () => (browserPath !== undefined || has('apt-get') ? undefined : 'there is no Chrome or Chromium'),
    run: own('browser'),
  },
  { name: 'openclaw', about: 'the real OpenClaw, its gateway and its exec mode', run: own('openclaw') },
  {
    name: 'interleavings',
    about: "random operations on the queue's ports, 20 seeds of 4,000 steps",
    run: own('interleavings'),
  },
  { name: 'mutants', about: 'the program that looks for faults that no test notices', run: own('mutants') },
  {
    name: 'servers',
    about: 'queue and core on Redis 6.0, 7.0, 8.0 and Valkey 8.1',
    impossible: debian,
    run: async (tally) => {
      for (const { name, program } of testServers()) {
        await tally.vitest(name, ['--project', 'core', ...ON_EVERY_SERVER], { CLAWMESH_TEST_REDIS_SERVER: program });
      }
    },
  },
  {
    name: 'bullmq',
    about: 'what stands in Redis, compared with the doing of the newest BullMQ',
    impossible: () => (newestBullmq() === undefined ? 'the registry of npm does not answer' : undefined),
    run: (tally) =>
      tally.vitest('bullmq', ['--project', 'core', 'test/queue/conformance'], {
        CLAWMESH_TEST_BULLMQ: bullmqFolder(newestBullmq() ?? ''),
      }),
  },
  {
    name: 'containers',
    about: 'the queue on a Redis in a container',
    impossible: () => (engineAnswers() ? undefined : linuxRoot() && 'no container engine runs'),
    run: (tally) =>
      tally.vitest('containers', ['--project', 'core', 'test/queue', 'test/registry'], {
        CLAWMESH_TEST_CONTAINER: '1',
      }),
  },
  { name: 'ansible', about: 'the playbooks on three fresh machines', impossible: linuxRoot, run: own('ansible') },
  {
    name: 'chaos',
    about: 'random faults over a running mesh, and a Redis whose contents were mangled',
    run: async (tally) => {
      await tally.step('chaos slice', 'npm', ['run', '--silent', 'chaos', '--', '--minutes', '0.5', '--seed', '7']);
      await own('chaos')(tally);
    },
  },
  {
    name: 'bench',
    about: 'a slice of the benchmarks',
    run: async (tally) => {
      const folder = mkdtempSync(join(tmpdir(), 'clawmesh-bench-'));
      const slice = ['--rounds', '1', '--tasks', '3000', '--only', '10, 1 process', '--out', folder];
      await tally.step('bench slice', 'npm', ['run', '--silent', 'bench', '--', ...slice]);
      rmSync(folder, { recursive: true, force: true });
    },
  },
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !GROUPS.some((group) => group.name === name));
if (unknown.length > 0 || wanted.includes('--help')) {
  const list = GROUPS.map(({ name, about }) => `  ${name.padEnd(14)}${about}`).join('\n');
  console.error(`npm run test:all [-- group...]; all groups when none is named\n\n${list}`);
  process.exitCode = wanted.includes('--help') ? 0 : 2;
} else {
  await runGroups(GROUPS.filter(({ name }) => wanted.length === 0 || wanted.includes(name)));
}

async function runGroups(groups: readonly Group[]): Promise<void> {
  const tally = new Tally();
  const minutes: string[] = [];
  for (const { name, impossible, run } of groups) {
    const startedAt = performance.now();
    const why = impossible?.();
    if (why) {
      tally.skip(name, why);
      continue;
    }
    if (await tally.prepare(name)) await run(tally);
    minutes.push(`  ${name.padEnd(14)}${((performance.now() - startedAt) / 60_000).toFixed(1)} min`);
  }
  console.log(`\n── minutes by group\n${minutes.join('\n')}`);
  tally.finish();
}

function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}
