import { execa } from 'execa';

const RESTART_TIMEOUT_MS = 30_000;

/** The names that `openclaw gateway install` gives its job. */
const JOBS: Partial<Record<NodeJS.Platform, string>> = {
  darwin: 'ai.openclaw.gateway',
  linux: 'openclaw-gateway.service',
};

/**
 * Restarts this user's job that runs the OpenClaw gateway. Only `kickstart -k` also works if launchd has given up on
 * the job; stopping and starting it does not.
 *
 * @throws Error with the system's message.
 */
export async function restartGatewayJob(
  job: string | undefined,
  platform: NodeJS.Platform = process.platform,
): Promise<void> {
  const name = job ?? JOBS[platform] ?? '';
  const [program, ...args] =
    platform === 'darwin'
      ? ['launchctl', 'kickstart', '-k', `gui/${process.getuid?.() ?? ''}/${name}`]
      : ['systemctl', '--user', 'restart', name];
  const { failed, stderr, shortMessage } = await execa(program as string, args, {
    reject: false,
    timeout: RESTART_TIMEOUT_MS,
  });
  if (failed) throw new Error(stderr.trim() || shortMessage);
}
