import { Argument, Command } from 'commander';
import { completionScript, SHELLS, type Shell } from '../completion/script.ts';
import { example } from '../help.ts';

export function completionCommand(tree: () => Promise<Command>): Command {
  return new Command('completion')
    .description('print a completion script for a shell: commands, options, and the ids and names in the mesh')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .addHelpText(
      'after',
      example(
        'clawmesh completion zsh > "${fpath[1]}/_clawmesh"',
        'source <(clawmesh completion bash)          # for bash 3.2 (macOS): eval "$(clawmesh completion bash)"',
        'clawmesh completion fish > ~/.config/fish/completions/clawmesh.fish',
      ),
    )
    .action(async (shell: Shell) => {
      process.stdout.write(completionScript(await tree(), shell));
    });
}
