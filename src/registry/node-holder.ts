import { hostname, networkInterfaces } from 'node:os';
import * as z from 'zod';

const MAX_TEXT = 255;
const MAX_ADDRESSES = 100;

const nodeHolder = z.object({
  host: z.string().max(MAX_TEXT),
  pid: z.int().positive(),
  addresses: z.array(z.string().max(MAX_TEXT)).max(MAX_ADDRESSES),
});

/** The process that has a node id. Clones of a Mac share its host name, but have different network addresses. */
export type NodeHolder = Readonly<z.infer<typeof nodeHolder>>;

export function thisHolder(): NodeHolder {
  const addresses = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4')
    .map(({ address }) => address);
  return { host: hostname(), pid: process.pid, addresses: addresses.sort().slice(0, MAX_ADDRESSES) };
}

/** Whether both processes appear to be on one machine. */
export function onOneMachine(one: NodeHolder, other: NodeHolder): boolean {
  return one.host === other.host && one.addresses.join() === other.addresses.join();
}

/** Parses a daemon's reply; undefined if it is malformed. */
export function readHolder(text: string): NodeHolder | undefined {
  try {
    return nodeHolder.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
