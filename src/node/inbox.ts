import { thisHolder } from '../registry/node-holder.ts';
import { type NodeMessage, parseNodeMessage } from '../registry/node-message.ts';
import type { Presence } from '../registry/presence.ts';
import type { NodeContext } from './context.ts';
import type { Heartbeat } from './heartbeat.ts';
import { InFlight } from './in-flight.ts';
import type { RunSet } from './run-set.ts';
import type { Service } from './service.ts';
import type { Sweep } from './sweep.ts';

export interface InboxParts {
  readonly heartbeat: Pick<Heartbeat, 'beat'>;
  readonly runs: Pick<RunSet, 'stopRuns'>;
  readonly sweep: Pick<Sweep, 'wake'>;
}

/** Shows the node's presence, and acts on the messages that arrive on its channels. */
export class Inbox implements Service {
  readonly name = 'inbox';
  readonly #context: NodeContext;
  readonly #parts: InboxParts;
  readonly #inFlight = new InFlight();
  #starting: Promise<void> | undefined;
  #presence: Presence | undefined;

  constructor(context: NodeContext, parts: InboxParts) {
    this.#context = context;
    this.#parts = parts;
  }

  start(): Promise<void> {
    this.#starting ??= this.#inFlight.run(() => this.#open());
    return this.#starting;
  }

  async stop(): Promise<void> {
    this.#presence?.hide();
    await this.#inFlight.end();
  }

  async #open(): Promise<void> {
    const { backend, owner } = this.#context;
    const presence = await backend.openPresence((text) => this.#receive(text));
    if (this.#inFlight.isOver) {
      presence.hide();
      return;
    }
    this.#presence = presence;
    await presence.show(backend.registry.channels(owner));
  }

  #receive(text: string): void {
    const message = parseNodeMessage(text);
    if (!message) this.#context.log.debug({ message: text.slice(0, 200) }, 'unknown message');
    else if (!this.#inFlight.isOver) void this.#handle(message)?.catch(this.#context.onError);
  }

  #handle(message: NodeMessage): Promise<void> | undefined {
    const { events, backend, nodeId } = this.#context;
    const { heartbeat, runs, sweep } = this.#parts;
    switch (message.type) {
      case 'beat':
        return heartbeat.beat();
      case 'look':
        events.emit('configChanged');
        return undefined;
      case 'busy':
        sweep.wake();
        return undefined;
      case 'cancel':
        runs.stopRuns('cancelled', message.taskId);
        return undefined;
      case 'held':
        events.emit('heldFor', [{ pool: message.pool, why: message.why, node: nodeId }]);
        return undefined;
      case 'deliver':
        events.emit('answerReady', { box: message.box });
        return undefined;
      case 'who':
        return this.#inFlight.run(() => backend.holders.answer(message.question, thisHolder()));
    }
  }
}
