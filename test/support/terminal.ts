import { execFileSync, spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import { cleanEnv } from './cli.ts';

/** A program in a terminal of its own (tmux), with what its screen shows and keys to press. */
export class Terminal {
  static #count = 0;
  readonly #socket = `clawmesh-test-${process.pid}-${Terminal.#count++}`;

  constructor(command: readonly string[], env: NodeJS.ProcessEnv, size: { columns: number; rows: number }) {
    const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    // The server lives on after its program, so that the last screen can be read.
    const session = [
      'new-session',
      '-d',
      '-x',
      `${size.columns}`,
      '-y',
      `${size.rows}`,
      `${quoted}; echo "left with $?"; cat`,
    ];
    execFileSync('tmux', ['-L', this.#socket, '-f', '/dev/null', ...session], {
      env: { ...cleanEnv(env), TERM: 'xterm-256color' },
    });
  }

  /** The screen as text; `styled` with its escape sequences. */
  screen(styled = false): string {
    return execFileSync('tmux', ['-L', this.#socket, 'capture-pane', '-p', ...(styled ? ['-e'] : [])], {
      encoding: 'utf8',
    });
  }

  /** Presses keys, by tmux' names (`Enter`, `Down`, `a`). */
  press(...keys: string[]): void {
    execFileSync('tmux', ['-L', this.#socket, 'send-keys', ...keys]);
  }

  /** Resolves once the screen matches. */
  async shows(pattern: RegExp): Promise<void> {
    await expect.poll(() => this.screen(), { interval: 50 }).toMatch(pattern);
  }

  close(): void {
    spawnSync('tmux', ['-L', this.#socket, 'kill-server']);
  }
}
