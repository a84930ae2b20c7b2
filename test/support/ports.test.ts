import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { reservePort } from './ports.ts';

const PORTS = fileURLToPath(new URL('./ports.ts', import.meta.url));
/** Reserves 100 ports, prints them, and stays until its input ends, so that it still owns them. */
const OTHER = `
const { reservePort } = await import(${JSON.stringify(PORTS)});
const ports = [];
for (let i = 0; i < 100; i++) ports.push(await reservePort());
console.log(JSON.stringify(ports));
for await (const _ of process.stdin);
`;

it('gives a port to one process at a time, and again once that process has ended', async () => {
  const others = [0, 1, 2].map(() => {
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', OTHER]);
    return { run, child: run.child };
  });
  const own: number[] = [];
  for (let i = 0; i < 100; i++) own.push(await reservePort());
  const printed = others.map(
    ({ child }) => new Promise<string>((resolve) => child.stdout?.once('data', (data) => resolve(String(data)))),
  );
  const theirs = (await Promise.all(printed)).flatMap((text) => JSON.parse(text) as number[]);
  expect(new Set([...own, ...theirs]).size).toBe(400);
  for (const { child } of others) child.stdin?.end();
  await Promise.all(others.map(({ run }) => run));
});

it('gives no port that another program listens on', async () => {
  const server = createServer();
  const taken = await reservePort();
  await new Promise<void>((resolve) => server.listen(taken, '127.0.0.1', resolve));
  for (let i = 0; i < 50; i++) expect(await reservePort()).not.toBe(taken);
  await new Promise((resolve) => server.close(resolve));
});
