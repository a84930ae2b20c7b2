import { Command } from 'commander';
import type { Mesh as MeshClient } from '../../client/mesh.ts';
import type { Config } from '../../config/schema.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import type { Diagnosis } from '../../ops/doctor/diagnosis.ts';
import { systemClock } from '../../platform/clock.ts';
import { ask } from '../ask.ts';
import { type GlobalOptions, outputOf } from '../context.ts';
import { example } from '../help.ts';
import type { Output } from '../output.ts';

const MARKS = { ok: ['green', '✓'], warning: ['yellow', '!'], failed: ['red', '✗'] } as const;

interface DoctorOptions {
  fix?: boolean;
  yes?: boolean;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('find what is wrong, as seen from this machine, and what to do; exit 1 if something fails')
    .option('--fix', 'do what can do no harm, asking first')
    .option('--yes', 'with --fix: do not ask')
    .addHelpText('after', example('clawmesh doctor', 'clawmesh doctor --json', 'clawmesh doctor --fix'))
    .action(doctor);
}

async function doctor(options: DoctorOptions, command: Command): Promise<void> {
  if (options.yes && !options.fix) {
    throw new ClawmeshError('usage', '--yes is for --fix', { remedy: 'give --fix too; without it nothing is asked' });
  }
  const out = outputOf(command);
  const [{ diagnose }, { Mesh }, { redisTarget }, { loadConfig }, { nodeIdentity }] = await Promise.all([
    import('../../ops/doctor/doctor.ts'),
    import('../../client/mesh.ts'),
    import('../../redis/target.ts'),
    import('../../config/load.ts'),
    import('../../config/identity.ts'),
  ]);
  let mesh: MeshClient | undefined;
  try {
    const found = await diagnose({
      clock: systemClock,
      loadConfig: () => loadConfig({ file: command.optsWithGlobals<GlobalOptions>().config, env: process.env }),
      nodeId: () => nodeIdentity(process.env),
      openclaw: openclawHealth,
      reach: async (config) => {
        mesh = await Mesh.connect(config, redisTarget(config, process.env), { anyServer: true, clock: systemClock });
        return mesh;
      },
    });
    if (out.json)
      out.document<'doctor'>({
        checks: found.map(({ repair, ...rest }) => ({ ...rest, repairable: Boolean(repair) })),
      });
    else print(out, found);
    const unrepaired = options.fix ? await repair(out, found, options.yes === true) : found;
    if (unrepaired.some(({ state }) => state === 'failed')) process.exitCode = 1;
  } finally {
    await mesh?.close();
  }
}

async function openclawHealth(config: Config) {
  const [{ chooseMode, createRunner }, { systemClock: clock }] = await Promise.all([
    import('../../runners/all.ts'),
    import('../../platform/clock.ts'),
  ]);
  const { env } = process;
  const mode = await chooseMode(config, env, clock);
  const runner = createRunner(mode, { config, nodeId: 'doctor', env, submissions: undefined, clock });
  try {
    const { version, reason } = await runner.health();
    return { mode, version, reason, login: reason === null ? await runner.loginTrouble?.() : undefined };
  } finally {
    await runner.close();
  }
}

function print(out: Output, found: readonly Diagnosis[]): void {
  const width = Math.max(...found.map(({ check }) => check.length));
  for (const { check, state, evidence, fix } of found) {
    const [style, mark] = MARKS[state];
    out.line(`${out.style(style, mark)} ${check.padEnd(width)}  ${evidence}`);
    if (fix !== null) out.line(`  ${' '.repeat(width)}  ${out.style('dim', `→ ${fix}`)}`);
  }
  const count = (state: Diagnosis['state']) => found.filter((diagnosis) => diagnosis.state === state).length;
  out.line();
  out.line(`${count('ok')} ok, ${count('warning')} to look at, ${count('failed')} failed`);
}

/** Applies the fixes that the user accepts. @returns the diagnoses that are left. */
async function repair(out: Output, found: readonly Diagnosis[], yes: boolean): Promise<readonly Diagnosis[]> {
  const left: Diagnosis[] = [];
  for (const diagnosis of found) {
    if (diagnosis.repair && (yes || (await agrees(diagnosis)))) {
      out.note(`${diagnosis.check}: ${await diagnosis.repair()}`);
    } else {
      left.push(diagnosis);
    }
  }
  return left;
}

async function agrees({ check, evidence }: Diagnosis): Promise<boolean> {
  return ask(`${check}: ${evidence}. Mend it?`, {
    problem: 'there is nobody to ask',
    remedy: 'add --yes to do it without asking',
  });
}
