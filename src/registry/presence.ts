import type { Redis } from 'ioredis';

/**
 * A node's presence: a subscription to a channel of its own name and incarnation. Redis drops it the moment the
 * daemon's
 * connection closes, so a crash is seen within milliseconds by whoever counts the channel's subscribers. A message on
 * the
 * channel, or on the one that all nodes listen on, asks the node to look at once what is wanted of it, or to stop the
 * run of a
 * task (`cancel <task id>`).
 */
export class Presence {
  readonly #subscriber: Redis;
  readonly #onMessage: (message: string) => void;
  #channels: readonly string[] = [];

  constructor(subscriber: Redis, onMessage: (message: string) => void) {
    this.#subscriber = subscriber;
    this.#onMessage = onMessage;
    // Where this fails the node counts as gone, and begins a new incarnation once it's told so.
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
