import { userInfo } from 'node:os';

/** Who runs this process; by number where the system has no entry for it (a container, an arbitrary uid). */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}
