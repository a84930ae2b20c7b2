import { spawn } from 'node:child_process';
import { trySignal } from './process.ts';

/** Longest output that is kept, bytes: the answers are short. */
const MAX_OUTPUT = 65_536;

/**
 * What a program prints on stdout, '' where it fails, prints too much or takes too long. Never rejects. Nothing of it is
 * left when this resolves, and a child of it that holds the pipe is not waited for.
 */
export function askProgram(
  program: string,
  args: readonly string[],
  options: { timeoutMs: number; env: NodeJS.ProcessEnv },
): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(program, [...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: options.env,
    });
    let output = Buffer.alloc(0);
    const end = (text: string) => {
      clearTimeout(timer);
      if (child.pid !== undefined) trySignal(-child.pid, 'SIGKILL');
      child.kill('SIGKILL');
      child.stdout?.destroy();
      resolve(text);
    };
    const timer = setTimeout(() => end(''), options.timeoutMs);
    child.stdout?.on('data', (chunk: Buffer) => {
      output = Buffer.concat([output, chunk]);
      if (output.length > MAX_OUTPUT) end('');
    });
    child.once('error', () => end(''));
    child.once('exit', (code) => {
      // What it printed is in the pipe by now; the kill closes that for those who would keep it open.
      if (child.pid !== undefined) trySignal(-child.pid, 'SIGKILL');
      const done = () => end(code === 0 ? output.toString('utf8') : '');
      child.once('close', done);
      setTimeout(done, 1_000).unref();
    });
  });
}
