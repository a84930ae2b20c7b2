import type { ChannelAccount, ChannelDestination } from '../domain/delivery.ts';

/** A message to send through a channel. */
export interface OutgoingMessage {
  readonly destination: ChannelDestination;
  readonly text: string;
  /** URLs of files to attach; no paths, which only their own Mac could read. */
  readonly media: readonly string[];
  /** A message that is sent again with the same key is a repetition, and is not sent twice. */
  readonly idempotencyKey: string;
}

/** How a try to send something ended. */
export type SendResult =
  | {
      readonly sent: true;
      /** What a person should know about it. */
      readonly note?: string;
    }
  | {
      readonly sent: false;
      /** Another try may succeed. */
      readonly retryable: boolean;
      /**
       * The receiver has replied that nothing was sent, and remembers that reply under the idempotency key. So the next
       * try needs another key.
       */
      readonly refused?: boolean;
      /** The message may have been sent. The same receiver recognizes a repetition with the same key. */
      readonly uncertain?: boolean;
      readonly reason: string;
    };

/** Sends messages through the channels of an OpenClaw. */
export interface Messenger {
  /** The channels that are running now; none if OpenClaw does not reply. Never rejects. */
  channels(): Promise<readonly ChannelAccount[]>;
  /** Sends a message. Never rejects, and takes at most 65 s. */
  send(message: OutgoingMessage): Promise<SendResult>;
}
