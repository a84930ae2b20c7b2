import type { Redis } from 'ioredis';

/**
 * A node's presence: a subscription to a channel of its own name and incarnation. Redis drops it the moment the daemon's
 * connection closes, so a crash is seen within milliseconds by whoever counts the channel's subscribers. A message on the
 * channel asks the node to look at once what is wanted of it.
 */
export class Presence {
  readonly #subscriber: Redis;
  readonly #onNudge: () => void;
  #channel: string | undefined;

  constructor(subscriber: Redis, onNudge: () => void) {
    this.#subscriber = subscriber;
    this.#onNudge = onNudge;
    subscriber.on('message', (channel) => {
      if (channel === this.#channel) this.#onNudge();
    });
  }

  async show(channel: string): Promise<void> {
    this.#channel = channel;
    await this.#subscriber.subscribe(channel);
  }

  hide(): void {
    this.#channel = undefined;
    this.#subscriber.disconnect();
  }
}
