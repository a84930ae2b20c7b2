import { afterEach, beforeEach, vi } from 'vitest';

/** What commands print that run in the process of the test, since the last `clear`. */
export interface InProcessOutput {
  stdout: string;
  stderr: string;
  clear(): void;
}

/** Captures stdout and stderr in every test of this `describe`, for commands that run in the process of the test. */
export function captureOutput(): InProcessOutput {
  const output: InProcessOutput = {
    stdout: '',
    stderr: '',
    clear: () => {
      output.stdout = '';
      output.stderr = '';
    },
  };
  beforeEach(() => {
    output.clear();
    for (const name of ['stdout', 'stderr'] as const) {
      vi.spyOn(process[name], 'write').mockImplementation((text) => {
        output[name] += String(text);
        return true;
      });
    }
    // Elsewhere each command is the first one of its process.
    process.stdout.setMaxListeners(0);
  });
  afterEach(() => {
    process.exitCode = undefined;
  });
  return output;
}
