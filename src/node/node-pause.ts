import { isDeepStrictEqual } from 'node:util';
import { type Pause, pauseWords } from '../domain/pause.ts';
import type { NodeContext } from './context.ts';

/** The pause that an operator has asked for: the node takes no tasks, and its runs continue. */
export class NodePause {
  readonly #context: Pick<NodeContext, 'events' | 'log'>;
  #pause: Pause | undefined;

  constructor(context: Pick<NodeContext, 'events' | 'log'>) {
    this.#context = context;
  }

  /** Why the node takes no tasks, for people; undefined if it is not paused. */
  get why(): string | undefined {
    return this.#pause && pauseWords(this.#pause);
  }

  /** Applies the pause that the mesh wants; undefined if it wants none, or the pause is over. */
  set(pause: Pause | undefined): void {
    if (isDeepStrictEqual(pause, this.#pause)) return;
    const { events, log } = this.#context;
    this.#pause = pause;
    log.info({ ...pause }, pause ? 'paused by an operator' : 'the pause is over');
    events.emit('factsChanged');
  }
}
