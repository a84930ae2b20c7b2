import { hostname, networkInterfaces } from 'node:os';
import * as z from 'zod';

const MAX_TEXT = 255;
const MAX_ADDRESSES = 100;

const nodeHolder = z.object({
  host: z.string().max(MAX_TEXT),
  pid: z.int().positive(),
  addresses: z.array(z.string().max(MAX_TEXT)).max(MAX_ADDRESSES),
});

/** The process that holds a node id. Clones of a Mac have the same host name; their addresses in the network differ. */
export type NodeHolder = Readonly<z.infer<typeof nodeHolder>>;

/** This process. */
export function thisHolder(): NodeHolder {
  const addresses = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4')
    .map(({ address }) => address);
  return { host: hostname(), pid: process.pid, addresses: addresses.sort().slice(0, MAX_ADDRESSES) };
}

/** Whether both are processes of one machine, as far as can be told. */
export function onOneMachine(one: NodeHolder, other: NodeHolder): boolean {
  return one.host === other.host && one.addresses.join() === other.addresses.join();
}

/** Reads what a daemon has answered; undefined where it is something else. */
export function readHolder(text: string): NodeHolder | undefined {
  try {
    return nodeHolder.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
