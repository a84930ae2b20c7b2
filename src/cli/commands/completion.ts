import { Argument, Command } from 'commander';
import { completionScript, SHELLS, type Shell } from '../completion-script.ts';
import { example } from '../help.ts';

export function completionCommand(tree: () => Command): Command {
  return new Command('completion')
    .description('completion script for a shell')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .addHelpText('after', example('clawmesh completion zsh > "${fpath[1]}/_clawmesh"'))
    .action((shell: Shell) => {
      process.stdout.write(completionScript(tree(), shell));
    });
}
