import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { type SentinelConnectionOptions, SentinelConnector } from 'ioredis';

/** The TLS option for a host name. A server behind a shared address chooses its certificate by this name (SNI). */
export function serverName(host: string | undefined): Pick<ConnectionOptions, 'servername'> {
  return host === undefined || isIP(host) !== 0 ? {} : { servername: host };
}

/**
 * A class of connectors for one connection. In TLS it also sends the name of each Sentinel, and of the primary that a
 * Sentinel names, if they have one; ioredis' own does not.
 *
 * @param onNamed called with the address (`host:port`) of the primary that a Sentinel has named
 */
export function sentinelConnector(onNamed: (address: string) => void): new (options: unknown) => SentinelConnector {
  return class extends SentinelConnector {
    constructor(given: unknown) {
      // The options from connectRedis, completed by ioredis.
      const options = given as SentinelConnectionOptions;
      let asked: string | undefined;
      super({
        ...options,
        // ioredis reads this at each connection to a Sentinel, right after it has chosen the Sentinel.
        get sentinelTLS() {
          return options.sentinelTLS && { ...options.sentinelTLS, ...serverName(asked) };
        },
        natMap: (address) => {
          // The last call is for the primary: ioredis looks up the other Sentinels before it.
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
