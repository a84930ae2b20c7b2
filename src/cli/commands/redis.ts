import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import { ACL_ROLES, type AclRole, aclCommands, aclRules } from '../../redis/acl.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';
import { choiceOption } from '../options.ts';

export function redisCommand(): Command {
  const redis = new Command('redis').description('set up the Redis of a mesh');
  redis
    .command('acl')
    .description('print the Redis user of a role, with no more rights than it needs, as a line of an ACL file')
    .argument('<role>', 'viewer (looks on), operator (types commands) or node', choiceOption(ACL_ROLES))
    .requiredOption('--password-env <name>', 'environment variable that has the password; only its hash is printed')
    .option('--user <name>', 'name of the user (default: clawmesh-<role>)')
    .addHelpText(
      'after',
      example(
        'clawmesh redis acl node --password-env NODE_PASSWORD >> users.acl',
        'clawmesh redis acl viewer --password-env VIEWER_PASSWORD --user grafana',
      ),
    )
    .action(acl);
  return redis;
}

async function acl(role: AclRole, options: { passwordEnv: string; user?: string }, command: Command): Promise<void> {
  const out = outputOf(command);
  const [{ config }, { MeshKeys }] = await Promise.all([loadedConfig(command), import('../../redis/keys.ts')]);
  const user = options.user ?? `clawmesh-${role}`;
  if (!/^[\w.@-]+$/.test(user)) {
    throw new ClawmeshError('usage', `${JSON.stringify(user)} is no name of a Redis user`, {
      remedy: 'use letters, digits, dot, @, - and _',
    });
  }
  const password = process.env[options.passwordEnv];
  if (!password) {
    throw new ClawmeshError('usage', `environment variable ${options.passwordEnv} is not set, or empty`, {
      remedy: `export ${options.passwordEnv}=…, e.g. from openssl rand -hex 32`,
    });
  }
  const rules = aclRules(role, MeshKeys.of(config).bullPrefix, password);
  if (out.json) out.document({ user, role, rules, commands: aclCommands(role) });
  else out.line(`user ${user} ${rules}`);
}
