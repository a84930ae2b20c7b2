import type { Mesh } from '../../src/client/mesh.ts';
import { hasCode, messageOf } from '../../src/domain/errors.ts';
import type { LineOf } from '../model/history.ts';
import { sharedClock } from '../support/shared-clock.ts';
import { seenOf } from '../support/task-history.ts';
import type { Recorder } from './recorder.ts';

type Asked = LineOf<'asked'>;
type AnswerOf<What extends Asked['what']> = Exclude<Extract<Asked, { what: What }>['answer'], null>;

/** An operator who works through the client library, and records each request with its reply. */
export class Person {
  readonly #name: string;
  readonly #mesh: Mesh;
  readonly #recorder: Recorder;

  constructor(name: string, mesh: Mesh, recorder: Recorder) {
    this.#name = name;
    this.#mesh = mesh;
    this.#recorder = recorder;
  }

  async cancel(taskId: string): Promise<void> {
    const { answer, ...moment } = await this.#ask(
      (): Promise<AnswerOf<'cancel'>> => this.#mesh.cancel(taskId),
      (error) => (hasCode(error, 'failed') ? 'ended' : gone(error)),
    );
    const gaveUp = answer === null ? sharedClock().latest : null;
    this.#recorder.lines.push({ ...this.#asked(taskId), ...moment, what: 'cancel', answer, gaveUp });
  }

  async retry(taskId: string): Promise<void> {
    const ask = async (): Promise<AnswerOf<'retry'>> => {
      await this.#mesh.retry(taskId);
      return 'queued';
    };
    const asked = await this.#ask(ask, (error) => {
      if (hasCode(error, 'not-found')) return 'gone';
      if (!hasCode(error, 'failed')) return null;
      const said = messageOf(error);
      return said.endsWith('no longer exists') ? 'gone' : said.endsWith('has completed') ? 'completed' : 'open';
    });
    this.#recorder.lines.push({ ...this.#asked(taskId), ...asked, what: 'retry' });
  }

  async remove(taskId: string): Promise<void> {
    const ask = async (): Promise<AnswerOf<'remove'>> => {
      await this.#mesh.remove(taskId);
      return 'removed';
    };
    const asked = await this.#ask(ask, (error) => (hasCode(error, 'failed') ? 'running' : gone(error)));
    this.#recorder.lines.push({ ...this.#asked(taskId), ...asked, what: 'remove' });
  }

  /** Looks at the task; one that can't be asked for now has not been seen. */
  async show(taskId: string): Promise<void> {
    try {
      const { result: task, ...moment } = await this.#recorder.timed(() => this.#mesh.get(taskId));
      const answer = task ? seenOf(task) : null;
      this.#recorder.lines.push({ ...this.#asked(taskId), ...moment, what: 'show', answer });
    } catch {
      // Redis is away.
    }
  }

  #asked(taskId: string) {
    return { kind: 'asked' as const, taskId, by: this.#name };
  }

  /** `answerOf`: what an error says; null if the request may have taken effect all the same. */
  async #ask<Answer>(
    ask: () => Promise<Answer>,
    answerOf: (error: unknown) => Answer | null,
  ): Promise<{ answer: Answer | null; called: number; answered: number | null }> {
    const called = sharedClock().earliest;
    const answer = await ask().catch(answerOf);
    return { answer, called, answered: answer === null ? null : sharedClock().latest };
  }
}

function gone(error: unknown): 'gone' | null {
  return hasCode(error, 'not-found') ? 'gone' : null;
}
