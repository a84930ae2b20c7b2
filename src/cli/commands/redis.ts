import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import { ACL_ROLES, type AclRole, aclCommands, aclRules, SERVER_ROLES, type ServerRole } from '../../redis/acl.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';
import { choiceOption } from '../options.ts';

export function redisCommand(): Command {
  const redis = new Command('redis')
    .description('set up Redis for a mesh')
    .addHelpText('after', example('clawmesh redis acl node --password-env NODE_PASSWORD'));
  redis
    .command('acl')
    .description('print the ACL file line of a Redis user that has only the rights its role needs')
    .argument(
      '<role>',
      'viewer (reads the mesh), operator (runs commands) or node; replica or sentinel for Redis’ own programs; ' +
        'sentinel-client or sentinel-peer for the ACL file of the Sentinels',
      choiceOption([...ACL_ROLES, ...SERVER_ROLES]),
    )
    .option('--password-env <name>', 'environment variable that contains the password; only its hash is printed')
    .option('--password-stdin', 'read the password from standard input instead')
    .option('--user <name>', 'name of the Redis user (default: clawmesh-<role>; for Redis’ own programs, the role)')
    .addHelpText(
      'after',
      example(
        'clawmesh redis acl node --password-env NODE_PASSWORD >> users.acl',
        'clawmesh redis acl viewer --password-env VIEWER_PASSWORD --user grafana',
        'clawmesh redis acl sentinel-client --password-stdin < password >> sentinel-users.acl',
      ),
    )
    .action(acl);
  return redis;
}

interface AclOptions {
  passwordEnv?: string;
  passwordStdin?: boolean;
  user?: string;
}

async function acl(role: AclRole | ServerRole, options: AclOptions, command: Command): Promise<void> {
  const out = outputOf(command);
  const [{ config }, { MeshKeys }] = await Promise.all([loadedConfig(command), import('../../redis/keys.ts')]);
  const user = options.user ?? ((ACL_ROLES as readonly string[]).includes(role) ? `clawmesh-${role}` : role);
  if (!/^[\w.@-]+$/.test(user)) {
    throw new ClawmeshError('usage', `${JSON.stringify(user)} is not a valid name for a Redis user`, {
      remedy: 'use only letters, digits, dot, @, - and _',
    });
  }
  const password = await passwordOf(options);
  const rules = aclRules(role, MeshKeys.of(config).bullPrefix, password);
  if (out.json) out.document<'redis acl'>({ user, role, rules, commands: aclCommands(role) });
  else out.line(`user ${user} ${rules}`);
}

async function passwordOf({ passwordEnv, passwordStdin }: AclOptions): Promise<string> {
  if ((passwordEnv === undefined) !== (passwordStdin === true)) {
    throw new ClawmeshError('usage', 'expected one of --password-env and --password-stdin', {
      remedy: 'give exactly one of them',
    });
  }
  if (passwordEnv === undefined) {
    const { readSource } = await import('../task-source.ts');
    const password = (await readSource('-')).replace(/\r?\n$/, '');
    if (password !== '') return password;
    throw new ClawmeshError('usage', 'standard input contains no password', {
      remedy: 'e.g. openssl rand -hex 32 > password, then add < password',
    });
  }
  const password = process.env[passwordEnv];
  if (password) return password;
  throw new ClawmeshError('usage', `environment variable ${passwordEnv} is unset or empty`, {
    remedy: `set it, e.g. export ${passwordEnv}="$(openssl rand -hex 32)"`,
  });
}
