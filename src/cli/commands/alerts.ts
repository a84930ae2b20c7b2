import { Command } from 'commander';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';

export function alertsCommand(): Command {
  const alerts = new Command('alerts')
    .description('check alert delivery')
    .addHelpText('after', example('clawmesh alerts test'));
  alerts
    .command('test')
    .description('send a test alert')
    .addHelpText('after', example('clawmesh alerts test'))
    .action(test);
  return alerts;
}

async function test(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const [{ config }, { deliver, hasAlerts }] = await Promise.all([
    loadedConfig(command),
    import('../../node/alerts.ts'),
  ]);
  if (!hasAlerts(config)) {
    throw new ClawmeshError('config', 'no alert channel is configured', {
      remedy: 'set alerts.webhook, alerts.command or alerts.notification',
    });
  }
  const at = new Date().toISOString();
  const alert = { kind: 'test', mesh: config.mesh, state: 'firing', subject: 'test', at, fix: null } as const;
  try {
    await deliver(config, { ...alert, text: 'this is a test alert; nothing is wrong' });
  } catch (error) {
    throw new ClawmeshError('failed', `the test alert could not be delivered: ${messageOf(error)}`, {
      remedy: 'check the alerts section of the config',
      cause: error,
    });
  }
  if (out.json) out.document<'alerts test'>({ delivered: true });
  else out.note('the test alert was delivered');
}
