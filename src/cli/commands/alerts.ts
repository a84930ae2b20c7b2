import { Command } from 'commander';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';

export function alertsCommand(): Command {
  const alerts = new Command('alerts').description('who is told of trouble');
  alerts
    .command('test')
    .description('tell them that this is a test')
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
    throw new ClawmeshError('config', 'nobody is to be told of anything', {
      remedy: 'set alerts.webhook, alerts.command or alerts.notification',
    });
  }
  const at = new Date().toISOString();
  const alert = { kind: 'test', mesh: config.mesh, state: 'firing', subject: 'test', at, fix: null } as const;
  try {
    await deliver(config, { ...alert, text: 'this is a test; all is well' });
  } catch (error) {
    throw new ClawmeshError('failed', `the test alert could not be delivered: ${messageOf(error)}`, {
      remedy: 'check alerts in the config',
      cause: error,
    });
  }
  if (out.json) out.document<'alerts test'>({ delivered: true });
  else out.note('delivered');
}
