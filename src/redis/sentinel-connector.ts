import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { type SentinelConnectionOptions, SentinelConnector } from 'ioredis';

/** What TLS needs to be told of a host: its name, by which a server behind a shared address chooses a certificate (SNI). */
export function serverName(host: string | undefined): Pick<ConnectionOptions, 'servername'> {
  return host === undefined || isIP(host) !== 0 ? {} : { servername: host };
}

/**
 * A class of connectors for one connection: ioredis' own, which in TLS also sends the name of each Sentinel and of the primary
 * that they name, if they have one.
 *
 * @param onNamed called with the address (`host:port`) of the primary that a Sentinel has named
 */
export function sentinelConnector(onNamed: (address: string) => void): new (options: unknown) => SentinelConnector {
  return class extends SentinelConnector {
    constructor(given: unknown) {
      // What connectRedis has told ioredis, completed by it.
      const options = given as SentinelConnectionOptions;
      let asked: string | undefined;
      super({
        ...options,
        // Read each time that a Sentinel is connected to, right after it was chosen.
        get sentinelTLS() {
          return options.sentinelTLS && { ...options.sentinelTLS, ...serverName(asked) };
        },
        natMap: (address) => {
          // Of the last one it's the primary: the other Sentinels are looked up before it.
          onNamed(address);
          const colon = address.lastIndexOf(':');
          const host = address.slice(0, colon);
          const named = { host, port: Number(address.slice(colon + 1)), ...serverName(host) };
          return named;
        },
      });
      const sentinels = this.sentinelIterator;
      const next = sentinels.next.bind(sentinels);
      sentinels.next = () => {
        const found = next();
        asked = found.done ? undefined : found.value.host;
        return found;
      };
    }
  };
}
