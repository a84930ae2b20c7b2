import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import { ACL_ROLES, type AclRole, aclCommands, aclRules, SERVER_ROLES, type ServerRole } from '../../redis/acl.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';
import { choiceOption } from '../options.ts';

export function redisCommand(): Command {
  const redis = new Command('redis').description('set up the Redis of a mesh');
  redis
    .command('acl')
    .description('print the Redis user of a role, with no more rights than it needs, as a line of an ACL file')
    .argument(
      '<role>',
      'viewer (looks on), operator (types commands) or node; of Redis’ own programs replica and sentinel; ' +
        'for the ACL file of Sentinels sentinel-client and sentinel-peer',
      choiceOption([...ACL_ROLES, ...SERVER_ROLES]),
    )
    .option('--password-env <name>', 'environment variable that has the password; only its hash is printed')
    .option('--password-stdin', 'read the password from standard input instead')
    .option('--user <name>', 'name of the user (default: clawmesh-<role>, or the role of one of Redis’ own programs)')
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
    throw new ClawmeshError('usage', `${JSON.stringify(user)} is no name of a Redis user`, {
      remedy: 'use letters, digits, dot, @, - and _',
    });
  }
  const password = await passwordOf(options);
  const rules = aclRules(role, MeshKeys.of(config).bullPrefix, password);
  if (out.json) out.document<'redis acl'>({ user, role, rules, commands: aclCommands(role) });
  else out.line(`user ${user} ${rules}`);
}

async function passwordOf({ passwordEnv, passwordStdin }: AclOptions): Promise<string> {
  if ((passwordEnv === undefined) !== (passwordStdin === true)) {
    throw new ClawmeshError('usage', 'expected either --password-env or --password-stdin', { remedy: 'see --help' });
  }
  if (passwordEnv === undefined) {
    const { readSource } = await import('../task-source.ts');
    const password = (await readSource('-')).replace(/\r?\n$/, '');
    if (password !== '') return password;
    throw new ClawmeshError('usage', 'there is no password on standard input', {
      remedy: 'e.g. openssl rand -hex 32 > password, and then < password',
    });
  }
  const password = process.env[passwordEnv];
  if (password) return password;
  throw new ClawmeshError('usage', `environment variable ${passwordEnv} is not set, or empty`, {
    remedy: `export ${passwordEnv}=…, e.g. from openssl rand -hex 32`,
  });
}
