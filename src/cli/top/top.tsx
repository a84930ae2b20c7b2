import { Box, render, Text, useApp, useInput, useWindowSize } from 'ink';
import { useState } from 'react';
import type { Mesh } from '../../client/mesh.ts';
import { messageOf } from '../../domain/errors.ts';
import type { Handover } from '../../domain/handover.ts';
import type { Node } from '../../domain/node.ts';
import { isEnded, type Task } from '../../domain/task.ts';
import { humanDuration } from '../../domain/units.ts';
import { loadBar } from '../load-bar.ts';
import { ago, oneLine, stateStyle } from '../output.ts';
import { type Column, row, share, visible } from './columns.ts';
import { LogScreen } from './log-screen.tsx';
import { useView, type View } from './top-state.ts';

const SECTIONS = ['nodes', 'tasks', 'handovers'] as const;
type Section = (typeof SECTIONS)[number];

const MOST_PROBLEMS = 3;
const KEYS: Readonly<Record<Section, string>> = {
  nodes: 'd drain · r resume',
  tasks: 'Enter log · c cancel · r retry',
  handovers: 'Enter log',
};

type Item = Node | Task | Handover;

/** Something to be done once the person has said yes. */
interface Question {
  readonly text: string;
  readonly act: () => Promise<string>;
}

/** Runs the live view until the person leaves it. */
export async function runTop(mesh: Mesh, color: boolean): Promise<void> {
  // Ink would draw nothing where it takes the surroundings for CI; here is a terminal, which the caller has checked.
  const app = render(<Top mesh={mesh} color={color} />, {
    alternateScreen: true,
    interactive: true,
    patchConsole: false,
  });
  await app.waitUntilExit();
}

function Top({ mesh, color }: { mesh: Mesh; color: boolean }) {
  const app = useApp();
  const { columns, rows } = useWindowSize();
  const [focus, setFocus] = useState(1);
  // By name and not by place: lists move, and what is cancelled has to be what was chosen.
  const [selected, setSelected] = useState<Partial<Record<Section, string>>>({});
  const [filter, setFilter] = useState('');
  const [typing, setTyping] = useState(false);
  const [question, setQuestion] = useState<Question>();
  const [opened, setOpened] = useState<string>();
  const [note, setNote] = useState('');
  const { view, trouble, look } = useView(mesh, filter);
  const lists = listsOf(view, filter);
  const section = SECTIONS[focus] ?? 'tasks';
  const list = lists[section];
  const index = Math.max(
    0,
    list.findIndex((item) => keyOf(item) === selected[section]),
  );
  const move = (by: number) => {
    const next = list[Math.max(0, Math.min(list.length - 1, index + by))];
    if (next) setSelected({ ...selected, [section]: keyOf(next) });
  };
  const answer = async (yes: boolean) => {
    const asked = question;
    setQuestion(undefined);
    if (!yes || !asked) return;
    setNote(await asked.act().catch((error: unknown) => messageOf(mesh.explain(error))));
    look();
  };

  useInput(
    (input, key) => {
      setNote('');
      if (question) void answer(input === 'y');
      else if (typing) {
        // What is pasted, or typed fast, comes in one piece with its Enter.
        const [text = '', ...after] = input.split(/[\r\n]/);
        if (key.return) setTyping(false);
        else if (key.escape) {
          setTyping(false);
          setFilter('');
        } else if (key.backspace || key.delete) setFilter(filter.slice(0, -1));
        else if (!key.ctrl && !key.meta) {
          setFilter(filter + text);
          if (after.length > 0) setTyping(false);
        }
      } else if (input === 'q') app.exit();
      else if (key.tab || key.rightArrow) setFocus((focus + 1) % SECTIONS.length);
      else if (key.leftArrow) setFocus((focus + SECTIONS.length - 1) % SECTIONS.length);
      else if (key.upArrow || input === 'k') move(-1);
      else if (key.downArrow || input === 'j') move(1);
      else if (key.pageUp) move(-10);
      else if (key.pageDown) move(10);
      else if (input === '/') setTyping(true);
      else if (key.escape) setFilter('');
      else if (key.return || input === 'l') setOpened(taskOf(section, list[index]));
      else setQuestion(questionFor(mesh, input, section, list[index]));
    },
    { isActive: opened === undefined },
  );

  if (opened !== undefined) return <LogScreen mesh={mesh} id={opened} onClose={() => setOpened(undefined)} />;
  const problems = view?.snapshot.problems ?? [];
  const shownProblems = problems.slice(0, MOST_PROBLEMS);
  const heights = share(
    SECTIONS.map((name) => Math.max(1, lists[name].length)),
    focus,
    rows - 2 - shownProblems.length - SECTIONS.length,
  );
  const style = (state: string) => (color ? stateStyle(state) : undefined);
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Text bold wrap="truncate">
        {headline(view)}
      </Text>
      {shownProblems.map(({ severity, what, fix }, place) => (
        <Text key={what} wrap="truncate" {...(color && { color: severity === 'error' ? 'red' : 'yellow' })}>
          {severity === 'error' ? '✗' : '!'} {what} → {fix}
          {place === MOST_PROBLEMS - 1 && problems.length > MOST_PROBLEMS
            ? ` (+${problems.length - MOST_PROBLEMS})`
            : ''}
        </Text>
      ))}
      {SECTIONS.map((name, place) => {
        const cursor = place === focus ? index : -1;
        const { items, from } = visible<Item>(lists[name], Math.max(0, cursor), heights[place] ?? 1);
        return (
          <Box key={name} flexDirection="column" height={(heights[place] ?? 1) + 1}>
            <Text dimColor bold={place === focus} wrap="truncate">
              {`${place === focus ? '▸ ' : '  '}${row(
                COLUMNS[name],
                COLUMNS[name].map(([title]) => title),
                columns - 2,
              )}`}
            </Text>
            {items.length === 0 && <Text dimColor>{'  none'}</Text>}
            {items.map((item, offset) => {
              const { cells, state } = lineOf(name, item);
              const color = style(state);
              const isHere = from + offset === cursor;
              return (
                <Text key={keyOf(item)} wrap="truncate" inverse={isHere} {...(color && { color })}>
                  {`${isHere ? '› ' : '  '}${row(COLUMNS[name], cells, columns - 2)}`}
                </Text>
              );
            })}
          </Box>
        );
      })}
      <Box flexGrow={1} />
      <Text wrap="truncate" dimColor={!question && !typing && !trouble}>
        {footer({ question, typing, filter, note, trouble, section })}
      </Text>
    </Box>
  );
}

function listsOf(view: View | undefined, filter: string): { nodes: Node[]; tasks: Task[]; handovers: Handover[] } {
  if (!view) return { nodes: [], tasks: [], handovers: [] };
  const words = filter.toLowerCase().split(' ').filter(Boolean);
  const matches = (...texts: (string | null)[]) => {
    const text = texts.join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return {
    nodes: view.nodes.filter(({ state }) => state !== 'stopped'),
    tasks: view.tasks.filter(({ id, state, pool, node, agent, message }) =>
      matches(id, state, pool, node, agent, message),
    ),
    handovers: [...view.snapshot.handovers],
  };
}

const COLUMNS: Readonly<Record<Section, readonly Column[]>> = {
  nodes: [
    ['NODE', 16],
    ['STATE', 8],
    ['RUNNING', 12],
    ['HEARTBEAT', 10],
    ['GATES', 0],
  ],
  tasks: [
    ['TASK', 10],
    ['STATE', 9],
    ['NODE', 12],
    ['FOR', 7],
    ['TOKENS', 6],
    ['MESSAGE', 0],
  ],
  handovers: [
    ['HANDOVER', 10],
    ['TASK', 10],
    ['FROM', 12],
    ['TO', 12],
    ['REASON', 0],
  ],
};

/** What tells an item from the others of its section. */
function keyOf(item: Item): string {
  return 'taskId' in item ? `${item.taskId} ${item.at}` : item.id;
}

/** One line of a section. */
function lineOf(section: Section, item: Item): { cells: string[]; state: string } {
  if (section === 'nodes') {
    const node = item as Node;
    const closed = node.gates.filter(({ open }) => !open).map(({ name, reason }) => `${name}: ${reason}`);
    const beat = node.heartbeatAgeMs === null ? '-' : humanDuration(node.heartbeatAgeMs);
    return { state: node.state, cells: [node.id, node.state, loadBar(node), beat, closed.join('; ')] };
  }
  if (section === 'tasks') {
    const { id, state, node, startedAt, enqueuedAt, finishedAt, progress, message } = item as Task;
    const since = Date.parse(startedAt ?? enqueuedAt);
    const length = humanDuration(Math.max(0, (finishedAt ? Date.parse(finishedAt) : Date.now()) - since));
    const tokens = progress?.tokens ?? null;
    return {
      state,
      cells: [shortId(id), state, node ?? '-', length, tokens === null ? '-' : String(tokens), message],
    };
  }
  const { at, taskId, from, to, reason, takeoverMs } = item as Handover;
  const took = takeoverMs === null ? 'waits to be taken' : `taken after ${humanDuration(takeoverMs)}`;
  return {
    state: '',
    cells: [ago(at), shortId(taskId), from, to ?? '-', `${reason}, ${took}`],
  };
}

function shortId(id: string): string {
  return `…${id.slice(-9)}`;
}

function taskOf(section: Section, item: Item | undefined): string | undefined {
  if (!item || section === 'nodes') return undefined;
  return section === 'tasks' ? (item as Task).id : (item as Handover).taskId;
}

function questionFor(mesh: Mesh, key: string, section: Section, item: Item | undefined): Question | undefined {
  if (!item || section === 'handovers') return undefined;
  if (section === 'nodes') {
    const { id } = item as Node;
    const wish = (wanted: 'drain' | 'resume', done: string) => async () => {
      await mesh.registry.wish(id, wanted);
      return done;
    };
    if (key === 'd') return { text: `drain ${id}?`, act: wish('drain', `${id} takes no more tasks`) };
    if (key === 'r') return { text: `resume ${id}?`, act: wish('resume', `${id} goes on`) };
    return undefined;
  }
  const { id, state } = item as Task;
  if (key === 'c' && !isEnded(state))
    return { text: `cancel ${shortId(id)}?`, act: async () => `${shortId(id)}: ${await mesh.cancel(id)}` };
  if (key === 'r' && (state === 'failed' || state === 'cancelled')) {
    return {
      text: `queue ${shortId(id)} again?`,
      act: async () => {
        await mesh.retry(id);
        return `${shortId(id)} is queued again`;
      },
    };
  }
  return undefined;
}

function headline(view: View | undefined): string {
  if (!view) return 'clawmesh top: looking…';
  const { mesh, redis, nodes, pools } = view.snapshot;
  const nodeCounts = Object.entries(nodes).filter(([state, count]) => count > 0 || state === 'up');
  const sum = (state: 'waiting' | 'active' | 'failed') =>
    Object.values(pools).reduce((total, pool) => total + pool[state], 0);
  const tasks = `${sum('active')} run, ${sum('waiting')} wait, ${sum('failed')} failed`;
  return `mesh ${mesh} · nodes: ${nodeCounts.map(([state, count]) => `${count} ${state}`).join(', ')} · tasks: ${tasks} · Redis ${redis.latencyMs} ms`;
}

function footer(now: {
  question: Question | undefined;
  typing: boolean;
  filter: string;
  note: string;
  trouble: string;
  section: Section;
}): string {
  if (now.question) return `${now.question.text} y/n`;
  if (now.typing) return `filter: ${now.filter}▏ (Enter keeps it, Esc drops it)`;
  if (now.trouble) return `✗ ${oneLine(now.trouble, 200)}`;
  if (now.note) return now.note;
  const filter = now.filter ? ` "${now.filter}"` : '';
  return `Tab section · ↑↓ · ${KEYS[now.section]} · / filter${filter} · q quit`;
}
