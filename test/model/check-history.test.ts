import { describe, expect, it } from 'vitest';
import { checkHistory } from './check-history.ts';
import { type HistoryLine, parseHistory, printHistory } from './history.ts';
import { Story, TASK } from './story.ts';

const RAN = 'claimed mac-1 1, completed mac-1 1';
const story = () => new Story().enqueue();
/** A task that mac-1 has completed. */
const done = () => story().began('r1').ended('r1');
const completed = { state: 'completed', made: 1, answer: 'r1', record: RAN } as const;
const failed = { state: 'failed', made: 1, record: 'claimed mac-1 1, failed mac-1 1' } as const;
/** One that mac-1 has lost, and mac-2 has. */
const lost = () => story().began('r1').began('r2', 'mac-2', { handovers: 1 });
const takenOver = {
  state: 'completed',
  made: 1,
  handovers: 1,
  answer: 'r2',
  record: 'claimed mac-1 1, handover mac-1 1, claimed mac-2 1, completed mac-2 1',
} as const;
const cancelled = { state: 'cancelled', record: 'cancelled - 0' } as const;

const check = ({ lines }: Story) => checkHistory(lines);

describe('a history that the promises allow', () => {
  const right: Record<string, Story> = {
    'a task that is run once': done().seen(completed).log(),
    'a task that no node has begun yet': story().seen({ state: 'waiting' }).log(),
    'a task whose run continues': story().began('r1').seen({ state: 'active', record: 'claimed mac-1 1' }),
    'a claim whose run never began': story().seen({ state: 'active', record: 'claimed mac-1 1' }),
    'an enqueue that was never answered, and never came': new Story().enqueue(null).seen(null).log(),
    'an enqueue that was never answered, and came': new Story().enqueue(null).began('r1').ended('r1').seen(completed),
    'a run that began before its enqueue was answered': new Story()
      .enqueue('queued', { ms: 3_000 })
      .later(-2_000)
      .began('r1')
      .later(2_000)
      .ended('r1')
      .seen(completed),
    'a takeover after a crash': lost().ended('r2').seen(takenOver).log('mac-1 crash'),
    'a run that ends after its task was taken over': lost()
      .ended('r2')
      .ended('r1')
      .seen(takenOver)
      .log('mac-1 heartbeat'),
    'a node that begins what it has lost meanwhile': story()
      .began('r2', 'mac-2', { handovers: 1 })
      .ended('r2')
      .began('r1')
      .seen(takenOver)
      .log('mac-1 heartbeat'),
    'a task that a node gave back': story()
      .began('r1')
      .began('r2', 'mac-1', { handovers: 1 })
      .ended('r2')
      .seen({ ...takenOver, record: 'claimed mac-1 1, handover mac-1 1, claimed mac-1 1, completed mac-1 1' })
      .log('mac-1 drain'),
    'a handover of a claim whose run never began': story()
      .began('r2', 'mac-2', { handovers: 1 })
      .ended('r2')
      .seen(takenOver)
      .log('mac-1 crash'),
    'a failed attempt that is followed by another': story()
      .began('r1')
      .ended('r1', 'failed')
      .began('r2', 'mac-2', { attempt: 2 })
      .ended('r2')
      .seen({
        ...completed,
        made: 2,
        answer: 'r2',
        record: 'claimed mac-1 1, retry mac-1 1, claimed mac-2 2, completed mac-2 2',
      }),
    'a run whose provider was in trouble, which costs no attempt': story()
      .began('r1')
      .ended('r1', 'failed')
      .began('r2', 'mac-2')
      .ended('r2')
      .seen({
        ...completed,
        answer: 'r2',
        record: 'claimed mac-1 1, retry mac-1 1, claimed mac-2 1, completed mac-2 1',
      }),
    'a request that is refused for good': story().began('r1').ended('r1', 'refused').seen(failed).log(),
    'attempts that are used up': new Story()
      .enqueue('queued', { attempts: 2 })
      .began('r1')
      .ended('r1', 'failed')
      .began('r2', 'mac-1', { attempt: 2 })
      .ended('r2', 'failed')
      .seen({ state: 'failed', made: 2, record: 'claimed mac-1 1, retry mac-1 1, claimed mac-1 2, failed mac-1 2' }),
    'a task that takes its nodes with it': ['mac-1', 'mac-2', 'mac-1', 'mac-2', 'mac-1', 'mac-2']
      .reduce((told, node, handovers) => told.began(`r${handovers}`, node, { handovers }), story())
      .seen({
        state: 'failed',
        handovers: 6,
        record: `${'claimed mac-1 1, handover mac-1 1, claimed mac-2 1, handover mac-2 1, '.repeat(3)}failed - 0`,
      })
      .log(...['mac-1 crash', 'mac-2 crash'], ...['mac-1 crash', 'mac-2 crash'], ...['mac-1 crash', 'mac-2 crash']),
    'a waiting task that is cancelled': story().cancel('cancelled').seen(cancelled).log(),
    'a running task that is cancelled': story()
      .began('r1')
      .cancel('cancelled', 2_000)
      .seen({ state: 'cancelled', made: 1, record: 'claimed mac-1 1, cancelled mac-1 1' }),
    'a cancelled task whose node dies': story()
      .began('r1')
      .cancel('stopping')
      .seen({ state: 'cancelled', handovers: 1, record: 'claimed mac-1 1, handover mac-1 1, cancelled - 0' })
      .log('mac-1 crash'),
    'a cancellation that comes too late': done().cancel('ended').seen(completed),
    'a cancellation that finds the run with its answer': story()
      .began('r1')
      .cancel('ended', 3_000)
      .later(-2_000)
      .ended('r1')
      .seen(completed),
    'a cancellation without an answer, which came': story().cancel(null).seen(cancelled),
    'a cancellation without an answer, which never came': story().cancel(null).began('r1').ended('r1').seen(completed),
    'two cancellations at once': story().cancel('cancelled', 2_000).later(-1_500).cancel('cancelled').seen(cancelled),
    'a failed task that is queued again': story()
      .began('r1')
      .ended('r1', 'refused')
      .retry('queued')
      .began('r2', 'mac-2', { attempt: 2 })
      .ended('r2')
      .seen({
        ...completed,
        made: 2,
        answer: 'r2',
        record: 'claimed mac-1 1, failed mac-1 1, retry - 2, claimed mac-2 2, completed mac-2 2',
      }),
    'a cancelled task that is queued again before it ever ran': story()
      .cancel('cancelled')
      .retry('queued')
      .began('r1')
      .ended('r1')
      .seen({ ...completed, record: `cancelled - 0, enqueued - 1, ${RAN}` }),
    'a retry of a task that has not ended': story().began('r1').retry('open').ended('r1').seen(completed),
    'a retry of a task that has completed': done().retry('completed').seen(completed),
    'a retry beside the cancellation that it takes back': story()
      .cancel('cancelled', 2_000)
      .later(-1_500)
      .retry('queued')
      .later(1_000)
      .seen({ state: 'waiting', record: 'cancelled - 0, enqueued - 1' }),
    'a task that is removed': done().remove('removed').seen(null).log(),
    'a task that cannot be removed while it runs': story().began('r1').remove('running').ended('r1').seen(completed),
    'a task that was removed before': done().remove('removed').remove('gone').retry('gone').cancel('gone').seen(null),
    'a removal without an answer': story().remove(null).seen(null),
    'a removed task that has a handover on record': lost().ended('r2').remove('removed').seen(null).log('mac-1 crash'),
    'an outcome that the next incarnation of its node delivers': story()
      .up('mac-1', 1)
      .began('r1', 'mac-1', { incarnation: 1 })
      .ended('r1')
      .up('mac-1', 2)
      .seen(completed),
    'a node that comes back and claims again': story()
      .up('mac-1', 1)
      .began('r1', 'mac-1', { incarnation: 1 })
      .up('mac-1', 3)
      .began('r2', 'mac-1', { incarnation: 3, handovers: 1 })
      .ended('r2')
      .seen({ ...takenOver, record: 'claimed mac-1 1, handover mac-1 1, claimed mac-1 1, completed mac-1 1' })
      .log('mac-1 crash'),
    'a node that claims again a task whose claim it had not renewed': story()
      .began('r1', 'mac-1', { incarnation: 4 })
      .began('r2', 'mac-1', { incarnation: 4, handovers: 1 })
      .log('mac-1 visibility-timeout'),
    'a record whose middle was cut out': story()
      .began('r1')
      .began('r2', 'mac-2', { handovers: 1 })
      .ended('r2')
      .seen({ ...takenOver, record: 'claimed mac-1 1, cut - 0, completed mac-2 1' })
      .log('mac-1 crash'),
  };
  it.each(Object.entries(right))('is explained: %s', (_, told) => {
    expect(check(told)).toEqual({ tasks: 1, unexplained: [], forgotten: [] });
  });

  const forgotten: Record<string, Story> = {
    'the task': story().redisKilled().seen(null).log(),
    'a claim, so that the task is claimed again': story()
      .later(-500)
      .began('r1')
      .redisKilled()
      .began('r2', 'mac-2')
      .ended('r2')
      .seen({ ...completed, answer: 'r2', record: 'claimed mac-2 1, completed mac-2 1' })
      .log(),
    'a handover, so that it is made again': lost()
      .redisKilled()
      .began('r3', 'mac-2', { handovers: 1 })
      .ended('r3')
      .seen({ ...takenOver, answer: 'r3' })
      .log('mac-1 crash'),
    'an end that a caller has seen': done()
      .seen(completed)
      .redisKilled()
      .seen({ state: 'active', record: 'claimed mac-1 1' }),
    'a cancellation': story().cancel('cancelled').redisKilled().began('r1').ended('r1').seen(completed),
    'a retry': story()
      .began('r1')
      .ended('r1', 'refused')
      .later(5_000)
      .retry('queued')
      .began('r2', 'mac-2', { attempt: 2 })
      .redisKilled()
      .seen(failed),
    'a removal': done().later(5_000).remove('removed').redisKilled().seen(completed),
    'an enqueue that its caller sent again': new Story()
      .enqueue('queued', { ms: 4_000 })
      .later(-3_500)
      .began('r1')
      .redisKilled()
      .later(2_000)
      .began('r2', 'mac-2')
      .ended('r2')
      .seen({ ...completed, answer: 'r2', record: 'claimed mac-2 1, completed mac-2 1' }),
  };
  it.each(Object.entries(forgotten))('is explained by a Redis that was killed, and has forgotten %s', (_, told) => {
    expect(check(told)).toEqual({ tasks: 1, unexplained: [], forgotten: [TASK] });
  });
});

describe('a history that breaks a promise', () => {
  /** With the step that must be named, and where the task can have stood. */
  const wrong: Record<string, [told: Story, named: RegExp]> = {
    'two completions': [done().seen({ ...completed, record: `${RAN}, completed mac-1 1` }), /someone saw it completed/],
    'a second run that completes what was complete': [
      done()
        .began('r2', 'mac-2')
        .ended('r2')
        .seen({ ...completed, answer: 'r2' }),
      /run r2 of mac-2 began, attempt 1/,
    ],
    'a run that begins after the completion was seen': [
      done().seen(completed).began('r2', 'mac-2', { handovers: 1 }).log('mac-1 crash'),
      /run r2 .* began, .*; by then it could only be completed/,
    ],
    'a run that begins after the cancellation was answered': [
      story().cancel('cancelled').began('r1').seen(cancelled).log(),
      /run r1 of mac-1 began, .* it could only be cancelled/,
    ],
    'a run that begins though the task was cancelled while it ran elsewhere': [
      story()
        .began('r1')
        .cancel('stopping')
        .seen({ state: 'active', record: 'claimed mac-1 1' })
        .began('r2', 'mac-2', { handovers: 1 })
        .seen(takenOver)
        .log('mac-1 crash'),
      /run r2 of mac-2 began/,
    ],
    'one start more than attempts, handovers and the free one allow': [
      new Story()
        .enqueue('queued', { attempts: 1 })
        .began('r1')
        .ended('r1', 'failed')
        .began('r2')
        .ended('r2', 'failed')
        .began('r3')
        .seen({ ...failed, record: 'claimed mac-1 1, retry mac-1 1, claimed mac-1 1, failed mac-1 1' }),
      /run r3 .* began/,
    ],
    'a second start without a handover': [
      story()
        .began('r1')
        .began('r2', 'mac-2')
        .ended('r2')
        .seen({ ...completed, answer: 'r2' }),
      /run r2 .* began/,
    ],
    'a second free start': [
      story().began('r1').ended('r1', 'failed').began('r2').ended('r2', 'failed').began('r3'),
      /run r3 .* began, attempt 1/,
    ],
    'the answer of a run that never was': [done().seen({ ...completed, answer: 'r9' }), /the answer of run r9/],
    'the answer of a run that has no end': [story().began('r1').seen(completed), /saw it completed/],
    'the answer of the run that was fenced': [
      lost()
        .ended('r1')
        .ended('r2')
        .seen({ ...takenOver, answer: 'r1' })
        .log('mac-1 crash'),
      /the answer of run r1/,
    ],
    'a completion by an incarnation that was replaced': [
      story().up('mac-1', 1).began('r1', 'mac-1', { incarnation: 1 }).up('mac-1', 2).ended('r1').seen(completed).log(),
      /someone saw it completed with the answer of run r1/,
    ],
    'a claim by an incarnation that was declared dead': [
      story()
        .began('r1', 'mac-1', { incarnation: 4 })
        .began('r2', 'mac-1', { incarnation: 4, handovers: 1 })
        .log('mac-1 heartbeat'),
      /run r2 of mac-1 \(incarnation 4\) began/,
    ],
    'a claim by an incarnation that was replaced': [
      new Story().up('mac-1', 2).enqueue().began('r1', 'mac-1', { incarnation: 1 }),
      /run r1 of mac-1 \(incarnation 1\) began/,
    ],
    'a lost task': [story().seen(null), /saw it gone, .* it could only be .*waiting/],
    'a completed task that is gone, though it was never removed': [done().seen(completed).seen(null), /saw it gone/],
    'a task that is gone, killed Redis long before': [
      new Story().redisKilled().later(10_000).enqueue().seen(null),
      /saw it gone/,
    ],
    'a task that is gone though Redis was killed long after': [
      story().later(10_000).redisKilled().seen(null),
      /saw it gone/,
    ],
    'a retry of a task that has not ended': [
      story().began('r1').retry('queued').seen({ state: 'active', record: 'claimed mac-1 1' }),
      /someone retried it, and was told queued, .* running on mac-1/,
    ],
    'a retry of a task that has completed': [done().seen(completed).retry('queued'), /retried it, and was told queued/],
    'a retry that is refused though the task has failed': [
      story().began('r1').ended('r1', 'refused').seen(failed).retry('open'),
      /retried it, and was told open, .* it could only be failed/,
    ],
    'a retry that was answered, and did nothing': [
      story().cancel('cancelled').retry('queued').seen(cancelled),
      /saw it cancelled/,
    ],
    'a cancellation that was answered, and did nothing': [
      story().cancel('cancelled').seen({ state: 'waiting' }),
      /saw it waiting, .* it could only be cancelled/,
    ],
    'a cancellation that found an end although there was none': [
      story().cancel('ended').seen({ state: 'waiting' }).log(),
      /cancelled it, and was told ended/,
    ],
    'a cancellation that was never requested': [story().seen(cancelled), /saw it cancelled/],
    'a state that does not follow: completed after a refusal': [
      story().began('r1').ended('r1', 'refused').seen(completed),
      /saw it completed/,
    ],
    'a state that does not follow: failed after an answer': [done().seen(failed), /saw it failed/],
    'a failure while there were attempts left': [
      story().began('r1').ended('r1', 'failed').seen(failed),
      /saw it failed/,
    ],
    'a state that does not follow: waiting though no node released it': [
      done().seen({ state: 'waiting', record: 'claimed mac-1 1' }),
      /saw it waiting/,
    ],
    'a wrong number of attempts': [done().seen({ ...completed, made: 2 }), /saw it completed/],
    'a wrong number of handovers': [done().seen({ ...completed, handovers: 1 }), /saw it completed/],
    'a handover that is not on record': [
      lost().ended('r2').seen(takenOver).log(),
      /run r2 of mac-2 began, attempt 1 after 1 handover/,
    ],
    'a handover that is on record twice': [
      lost().ended('r2').seen(takenOver).log('mac-1 crash', 'mac-1 crash'),
      /the handover log has of it: mac-1 crash, mac-1 crash/,
    ],
    'a handover that is on record of another node': [
      lost().ended('r2').seen(takenOver).log('mac-3 crash'),
      /run r2 of mac-2 began, attempt 1 after 1 handover/,
    ],
    'a handover that is missing in the history of the task': [
      lost()
        .ended('r2')
        .seen({ ...takenOver, record: 'claimed mac-1 1, claimed mac-2 1, completed mac-2 1' })
        .log('mac-1 crash'),
      /saw it completed/,
    ],
    'a claim of which the history of the task says nothing': [
      lost()
        .ended('r2')
        .seen({ ...takenOver, record: 'claimed mac-2 1, completed mac-2 1' }),
      /saw it completed/,
    ],
    'a task that was given up too early': [
      lost()
        .seen({
          state: 'failed',
          handovers: 2,
          record: 'claimed mac-1 1, handover mac-1 1, claimed mac-2 1, handover mac-2 1, failed - 0',
        })
        .log('mac-1 crash', 'mac-2 crash'),
      /saw it failed/,
    ],
    'a removal that was answered, and the task is there': [
      done().remove('removed').seen(completed),
      /saw it completed/,
    ],
    'a removal of a task that is running': [
      story()
        .began('r1')
        .seen({ state: 'active', record: 'claimed mac-1 1' })
        .remove('removed')
        .ended('r1')
        .seen(completed),
      /saw it completed/,
    ],
    'a removal that found it running when it was complete': [
      done().seen(completed).remove('running'),
      /removed it, and was told running, .* completed/,
    ],
    'a run that begins after the task was removed': [
      story().remove('removed').began('r1').log(),
      /run r1 of mac-1 began, .* it could only be not there/,
    ],
    'a run before anybody had queued the task': [new Story().began('r1').enqueue(), /run r1 of mac-1 began/],
    'a run of a task that was never queued': [new Story().began('r1'), /run r1 of mac-1 began/],
    'an order that real time forbids': [
      // Each answer alone is right, in the other order.
      story().retry('queued').cancel('cancelled').seen({ state: 'waiting', record: 'cancelled - 0, enqueued - 1' }),
      /retried it, and was told queued, .* it could only be .*waiting/,
    ],
    'what was seen goes back': [done().seen(completed).seen({ state: 'waiting' }), /saw it waiting/],
    'a wrong attempt number': [
      story().began('r1', 'mac-1', { attempt: 2 }).seen({ state: 'active', record: 'claimed mac-1 2' }),
      /run r1 .* attempt 2/,
    ],
    'a run that ends twice': [done().ended('r1'), /run r1 had an answer/],
    'a run that outlives everything': [done().seen(completed).left('r1'), /run r1 still continues/],
    'a Redis that forgets what came back with it': [
      story().redisKilled().later(100).seen({ state: 'waiting' }).later(5_000).seen(null),
      /saw it gone/,
    ],
    'a Redis that forgets something from the middle': [
      lost()
        .ended('r2')
        .later(5_000)
        .retry('completed')
        .redisKilled()
        .seen({ ...takenOver, handovers: 0 }),
      /saw it completed/,
    ],
  };

  it.each(Object.entries(wrong))('is refused: %s', (_, [told, named]) => {
    const { unexplained } = check(told);
    expect(unexplained).toHaveLength(1);
    expect(unexplained[0]?.text.split('\n')[0]).toMatch(named);
  });

  it('is told in one line, with the history of the task below it and the step marked', () => {
    const told = story()
      .up('mac-2', 4)
      .began('r1')
      .ended('r1')
      .seen(completed)
      .began('r2', 'mac-2', { handovers: 1, incarnation: 4 })
      .cancel(null)
      .later(5_000)
      .redisKilled()
      .seen(completed)
      .log();
    const [line, ...rest] = check(told).unexplained[0]?.text.split('\n') ?? [];
    expect(line).toBe(
      'task task-1: nothing explains that run r2 of mac-2 (incarnation 4) began, attempt 1 after 1 handover, at 5.000 s; ' +
        'by then it could only be completed',
    );
    const seen =
      'completed with the answer of run r1, 1 attempt, 0 handovers; enqueued - -, claimed mac-1 1, completed mac-1 1';
    expect(rest).toEqual([
      '        0.000 s … 0.100 s     someone queued it, and was told queued',
      '        1.000 s … 1.010 s     mac-2 registered as incarnation 4',
      '        2.000 s … 2.010 s     run r1 of mac-1 began, attempt 1 after 0 handovers',
      '        3.000 s … 3.010 s     run r1 had an answer',
      `        4.000 s … 4.010 s     someone saw it ${seen}`,
      '  →     5.000 s … 5.010 s     run r2 of mac-2 (incarnation 4) began, attempt 1 after 1 handover',
      '        6.000 s … no answer   someone cancelled it, and was told nothing',
      `       14.000 s … 14.010 s    someone saw it ${seen}`,
    ]);
  });
});

describe('histories of many tasks', () => {
  /** Without its first line. */
  const named = (lines: readonly HistoryLine[], taskId: string): HistoryLine[] =>
    lines.slice(1).map((line) => ('taskId' in line ? { ...line, taskId } : line));

  it('are explained task by task', () => {
    const ran = done().seen(completed).lines;
    const lines = [...ran.slice(0, 1), ...named(ran, 'a'), ...named(story().seen(null).lines, 'b')];
    const verdict = checkHistory(lines);
    expect(verdict.tasks).toBe(2);
    expect(verdict.unexplained.map(({ taskId }) => taskId)).toEqual(['b']);
  });

  it('are the same after they were written and read', () => {
    const { lines } = lost().cancel(null).redisKilled().up('mac-1', 2).left('r1').seen(takenOver).log('mac-1 crash');
    expect(parseHistory(printHistory(lines))).toEqual(lines);
  });

  it('are refused by the line that is none', () => {
    expect(() => parseHistory('{"kind":"begin"')).toThrow(/^line 1 is no JSON/);
    const text = printHistory(story().lines).replace('"queued"', '"quoted"');
    expect(() => parseHistory(text)).toThrow(/^line 2 is no line of a history: answer/);
    expect(() => checkHistory([])).toThrow(/begins with a line of kind begin/);
  });
});
