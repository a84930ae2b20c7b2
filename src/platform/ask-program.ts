import { spawn } from 'node:child_process';
import { trySignal } from './process.ts';

/** Longest output that is accepted, bytes: these programs print little. */
const MAX_OUTPUT = 65_536;

/**
 * Returns what a program prints on stdout; '' if it fails, prints too much or takes too long. Never rejects. When this
 * resolves, the program and its process group are killed; a child that holds the pipe open is not awaited.
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
      // All its output is in the pipe by now; the kill ends child processes that would keep the pipe open.
      if (child.pid !== undefined) trySignal(-child.pid, 'SIGKILL');
      const done = () => end(code === 0 ? output.toString('utf8') : '');
      child.once('close', done);
      setTimeout(done, 1_000).unref();
    });
  });
}
