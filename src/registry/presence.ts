import type { Redis } from 'ioredis';

/**
 * A node's presence: a subscription to a channel named after the node and its incarnation. Redis drops it the moment
 * the daemon's connection closes, so a count of the subscribers shows a crash within milliseconds. Messages on this
 * channel, and on the channel of all nodes, ask the node to act at once (see `NodeMessage`).
 */
export class Presence {
  readonly #subscriber: Redis;
  readonly #onMessage: (message: string) => void;
  #channels: readonly string[] = [];

  constructor(subscriber: Redis, onMessage: (message: string) => void) {
    this.#subscriber = subscriber;
    this.#onMessage = onMessage;
    // If this fails, the node counts as gone. It starts a new incarnation once Redis reports that.
    subscriber.on('ready', () => {
      if (this.#channels.length > 0) void subscriber.subscribe(...this.#channels).catch(() => {});
    });
    subscriber.on('message', (channel, message) => {
      if (this.#channels.includes(channel)) this.#onMessage(message);
    });
  }

  async show(channels: readonly string[]): Promise<void> {
    this.#channels = channels;
    await this.#subscriber.subscribe(...channels);
  }

  hide(): void {
    this.#channels = [];
    this.#subscriber.disconnect();
  }
}
