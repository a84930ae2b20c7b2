import { Command } from 'commander';
import type { Mesh as MeshClient } from '../../client/mesh.ts';
import type { Config } from '../../config/schema.ts';
import { counted } from '../../domain/counted.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import type { CheckResult } from '../../ops/doctor/check-result.ts';
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
    .description('find problems as seen from this machine, and say how to fix them; exit 1 if a check fails')
    .option('--fix', 'apply safe fixes, asking before each')
    .option('--yes', 'with --fix: apply them without asking')
    .addHelpText('after', example('clawmesh doctor', 'clawmesh doctor --json', 'clawmesh doctor --fix'))
    .action(doctor);
}

async function doctor(options: DoctorOptions, command: Command): Promise<void> {
  if (options.yes && !options.fix) {
    throw new ClawmeshError('usage', '--yes requires --fix', { remedy: 'add --fix; without it, doctor asks nothing' });
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
    return {
      mode,
      capabilities: runner.capabilities,
      version,
      reason,
      login: reason === null ? await runner.loginTrouble?.() : undefined,
    };
  } finally {
    await runner.close();
  }
}

function print(out: Output, found: readonly CheckResult[]): void {
  const width = Math.max(...found.map(({ check }) => check.length));
  for (const { check, state, evidence, fix } of found) {
    const [style, mark] = MARKS[state];
    out.line(`${out.style(style, mark)} ${check.padEnd(width)}  ${evidence}`);
    if (fix !== null) out.line(`  ${' '.repeat(width)}  ${out.style('dim', `→ ${fix}`)}`);
  }
  const count = (state: CheckResult['state']) => found.filter((diagnosis) => diagnosis.state === state).length;
  out.line();
  out.line(`${count('ok')} ok, ${counted(count('warning'), 'warning')}, ${count('failed')} failed`);
}

/** Applies the fixes that the user accepts. @returns the diagnoses that are left. */
async function repair(out: Output, found: readonly CheckResult[], yes: boolean): Promise<readonly CheckResult[]> {
  const left: CheckResult[] = [];
  for (const diagnosis of found) {
    if (diagnosis.repair && (yes || (await agrees(diagnosis)))) {
      out.note(`${diagnosis.check}: ${await diagnosis.repair()}`);
    } else {
      left.push(diagnosis);
    }
  }
  return left;
}

async function agrees({ check, evidence }: CheckResult): Promise<boolean> {
  return ask(`${check}: ${evidence}. Fix it?`, {
    problem: '--fix asks before each fix, but standard input is not a terminal',
    remedy: 'add --yes to apply fixes without asking',
  });
}
