import { connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a client and a server on this machine, and can be shut: connections drop, and new ones are refused. */
export class TcpGate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #open = true;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      if (!this.#open) {
        client.destroy();
        return;
      }
      const target = connect(targetPort, '127.0.0.1');
      const close = () => {
        for (const socket of [client, target]) {
          socket.destroy();
          this.#sockets.delete(socket);
        }
      };
      for (const socket of [client, target]) {
        this.#sockets.add(socket);
        socket.on('close', close);
        socket.on('error', close);
      }
      client.pipe(target);
      target.pipe(client);
    });
  }

  static async start(targetPort: number): Promise<TcpGate> {
    const gate = new TcpGate(targetPort);
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the gate does not listen');
    return address.port;
  }

  shut(): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  open(): void {
    this.#open = true;
  }

  stop(): void {
    this.shut();
    this.#server.close();
  }
}
