import { connect, createServer, type Server, type Socket } from 'node:net';

/** What to do with a chunk: pass it on, or drop it and close the connection it came on, at both ends. */
type Verdict = 'cut' | undefined | undefined;

/** Stands between a node and Redis and sees every chunk before the other side does, so that tests can strike exactly then. */
export class RedisProxy {
  /** Sees what the node sends. */
  onRequest: (text: string) => Verdict = () => {};
  /** Sees what Redis answers. */
  onReply: (text: string) => Verdict = () => {};
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(redisPort: number) {
    this.#server = createServer((client) => {
      const redis = connect(redisPort, '127.0.0.1');
      const close = () => {
        client.destroy();
        redis.destroy();
      };
      const pump = (from: Socket, to: Socket, look: (text: string) => Verdict) => {
        this.#sockets.add(from);
        from.on('data', (chunk) => {
          if (look(chunk.toString('latin1')) === 'cut') close();
          else to.write(chunk);
        });
        from.on('close', close);
        from.on('error', close);
      };
      pump(client, redis, (text) => this.onRequest(text));
      pump(redis, client, (text) => this.onReply(text));
    });
  }

  static async start(redisPort: number): Promise<RedisProxy> {
    const proxy = new RedisProxy(redisPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return `redis://127.0.0.1:${address.port}`;
  }

  /** The first time that `pattern` passes in a direction: does `act`, and gives its verdict on the chunk. */
  once(direction: 'onRequest' | 'onReply', pattern: RegExp, act: () => Verdict): Promise<void> {
    return new Promise((resolve) => {
      this[direction] = (text) => {
        if (!pattern.test(text)) return undefined;
        this[direction] = () => {};
        const verdict = act();
        resolve();
        return verdict;
      };
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
