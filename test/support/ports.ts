import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning } from './processes.ts';

/** Below all ports that a system hands out by itself (Linux from 32768, macOS from 49152). */
const FIRST = 20_000;
const LAST = 29_999;
/** One file per port in use, with the process that uses it; shared by all test runs on this machine. */
const folder = join(tmpdir(), 'clawmesh-ports');
const mine = new Set<number>();

/**
 * A TCP port that is this process's until it ends. No other test takes it, since it is written down; no other program is
 * given it by the system, since it is outside the range that systems hand out. So a server can be stopped and started
 * again on it.
 */
export async function reservePort(): Promise<number> {
  mkdirSync(folder, { recursive: true });
  let port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
  for (let tries = 0; tries <= LAST - FIRST; tries++) {
    port = port === LAST ? FIRST : port + 1;
    if (!claim(port)) continue;
    mine.add(port);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port from ${FIRST} to ${LAST}`);
}

function claim(port: number): boolean {
  const file = join(folder, String(port));
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    const owner = Number(readOrEmpty(file));
    // A run that was killed left the file behind.
    if (owner > 0 && !isRunning(owner)) rmSync(file, { force: true });
    return false;
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  const listens = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  await new Promise((resolve) => server.close(resolve));
  return listens;
}

process.once('exit', () => {
  for (const port of mine) rmSync(join(folder, String(port)), { force: true });
});
