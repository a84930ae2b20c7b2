import type { HistoryLine, LineOf, RecordEntry, TaskSeen } from './history.ts';

export const TASK = 'task-1';

type Asked = LineOf<'asked'>;
type AnswerOf<What extends Asked['what']> = Extract<Asked, { what: What }>['answer'];

/** Writes a history of one task, a second between two entries unless they are told when. */
export class Story {
  readonly lines: HistoryLine[] = [
    { kind: 'begin', version: 1, note: 'a test', at: 0, forgetsMs: 3_000, maxHandovers: 5 },
  ];
  #now = 0;

  /** The next entries happen so much later, ms. */
  later(ms: number): this {
    this.#now += ms;
    return this;
  }

  enqueue(answer: AnswerOf<'enqueue'> = 'queued', { attempts = 3, ms = 100 } = {}): this {
    const line = this.#asked('someone', answer !== null, ms);
    return this.#add({ ...line, what: 'enqueue', attempts, answer });
  }

  cancel(answer: AnswerOf<'cancel'>, ms = 100): this {
    const line = this.#asked('someone', answer !== null, ms);
    return this.#add({ ...line, what: 'cancel', answer, gaveUp: answer === null ? line.called + ms : null });
  }

  retry(answer: AnswerOf<'retry'>, ms = 100): this {
    return this.#add({ ...this.#asked('someone', answer !== null, ms), what: 'retry', answer });
  }

  remove(answer: AnswerOf<'remove'>, ms = 100): this {
    return this.#add({ ...this.#asked('someone', answer !== null, ms), what: 'remove', answer });
  }

  began(
    run: string,
    node = 'mac-1',
    more: Partial<Pick<LineOf<'began'>, 'incarnation' | 'attempt' | 'handovers'>> = {},
  ) {
    const about = { incarnation: null, attempt: 1, handovers: 0, ...more };
    return this.#add({ kind: 'began', taskId: TASK, run, node, ...about, ...this.#moment(10) });
  }

  ended(run: string, how: LineOf<'ended'>['how'] = 'answered'): this {
    return this.#add({ kind: 'ended', taskId: TASK, run, how, ...this.#moment(10) });
  }

  left(run: string): this {
    return this.#add({ kind: 'left', taskId: TASK, run, ...this.#moment(10) });
  }

  up(node: string, incarnation: number, ms = 10): this {
    return this.#add({ kind: 'up', node, incarnation, ...this.#moment(ms) });
  }

  redisKilled(ms = 2_000): this {
    return this.#add({ kind: 'redis-killed', ...this.#moment(ms) });
  }

  /** Record: `claimed mac-1 1, completed mac-1 1`, behind that it was queued. */
  seen(seen: ({ record?: string } & Pick<TaskSeen, 'state'> & Partial<Omit<TaskSeen, 'record'>>) | null): this {
    const line = { ...this.#asked('someone', true, 10), answered: this.#now - 990, what: 'show' as const };
    if (!seen) return this.#add({ ...line, answer: null });
    const record = ['enqueued - -', ...(seen.record ?? '').split(', ').filter(Boolean)].map(entryOf);
    return this.#add({ ...line, answer: { made: 0, handovers: 0, answer: null, ...seen, record } });
  }

  /** The handover log in the end: `mac-1 crash`. */
  log(...handovers: string[]): this {
    for (const handover of handovers) {
      const [from = '', reason = ''] = handover.split(' ');
      this.#add({ kind: 'handover', taskId: TASK, from, reason });
    }
    return this.#add({ kind: 'log-read', ...this.#moment(10) });
  }

  #asked(by: string, isAnswered: boolean, ms: number) {
    const { called, answered } = this.#moment(ms);
    return { kind: 'asked' as const, taskId: TASK, by, called, answered: isAnswered ? answered : null };
  }

  #moment(ms: number): { called: number; answered: number } {
    const called = this.#now;
    this.#now += Math.max(1_000, ms);
    return { called, answered: called + ms };
  }

  #add(line: HistoryLine): this {
    this.lines.push(line);
    return this;
  }
}

function entryOf(text: string): RecordEntry {
  const [event, node, attempt] = text.split(' ');
  return {
    event: event as RecordEntry['event'],
    node: node === '-' ? null : (node ?? null),
    attempt: attempt === '-' ? null : Number(attempt),
  };
}
