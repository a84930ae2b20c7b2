import { Box, type Key, render, useApp, useInput, useWindowSize } from 'ink';
import { useReducer, useRef } from 'react';
import type { Mesh } from '../../client/mesh.ts';
import { messageOf } from '../../domain/errors.ts';
import { MARKS } from '../../ops/problems.ts';
import { oneLine, stateStyle } from '../output.ts';
import { row, share, visible } from './columns.ts';
import { LogScreen } from './log-screen.tsx';
import { SafeText } from './safe-text.tsx';
import {
  COLUMNS,
  type Item,
  KEYS,
  keyOf,
  lineOf,
  listsOf,
  type Question,
  questionFor,
  SECTIONS,
  type Section,
  taskOf,
} from './sections.ts';
import { useView, type View } from './top-state.ts';

const MOST_PROBLEMS = 3;
const PROBLEM_COLORS = { error: 'red', warning: 'yellow', notice: 'gray' } as const;

/** Runs the live view until the user leaves it. */
export async function runTop(mesh: Mesh, color: boolean): Promise<void> {
  // Ink draws nothing if it detects CI, so `interactive` is forced: the caller has checked for a terminal.
  const app = render(<Top mesh={mesh} color={color} />, {
    alternateScreen: true,
    interactive: true,
    patchConsole: false,
  });
  await app.waitUntilExit();
}

/** The state of the screen as set by the user. */
interface Screen {
  readonly focus: number;
  /** By key and not by index: lists change, and an action must apply to the item that the user selected. */
  readonly selected: Partial<Record<Section, string>>;
  readonly filter: string;
  readonly typing: boolean;
  readonly question: Question | undefined;
  /** The task whose log is open. */
  readonly opened: string | undefined;
  readonly note: string;
}

function Top({ mesh, color }: { mesh: Mesh; color: boolean }) {
  const app = useApp();
  const { columns, rows } = useWindowSize();
  const [, draw] = useReducer((count: number) => count + 1, 0);
  // Keys can arrive faster than the screen is drawn; each must see the effect of the previous one.
  const screen = useRef<Screen>({
    focus: 1,
    selected: {},
    filter: '',
    typing: false,
    question: undefined,
    opened: undefined,
    note: '',
  });
  const set = (change: Partial<Screen>) => {
    screen.current = { ...screen.current, ...change };
    draw();
  };
  const { view, trouble, look } = useView(mesh, screen.current.filter);
  const here = () => {
    const { focus, filter, selected } = screen.current;
    const section = SECTIONS[focus] ?? 'tasks';
    const list: readonly Item[] = listsOf(view, filter)[section];
    const chosen = list.findIndex((item) => keyOf(item) === selected[section]);
    return { section, list, index: Math.max(0, chosen) };
  };
  const move = (by: number) => {
    const { section, list, index } = here();
    const next = list[Math.max(0, Math.min(list.length - 1, index + by))];
    if (next) set({ selected: { ...screen.current.selected, [section]: keyOf(next) } });
  };
  const answer = async (yes: boolean) => {
    const { question } = screen.current;
    set({ question: undefined });
    if (!yes || !question) return;
    set({ note: await question.act().catch((error: unknown) => messageOf(mesh.explain(error))) });
    look();
  };
  const type = (input: string, key: Key) => {
    const { filter } = screen.current;
    if (key.escape) set({ typing: false, filter: '' });
    else if (key.return) set({ typing: false });
    else if (key.backspace || key.delete) set({ filter: filter.slice(0, -1) });
    else if (!key.ctrl && !key.meta) set({ filter: filter + input });
  };
  const command = (input: string, key: Key) => {
    const { focus } = screen.current;
    const { section, list, index } = here();
    if (input === 'q') app.exit();
    else if (key.tab || key.rightArrow) set({ focus: (focus + 1) % SECTIONS.length });
    else if (key.leftArrow) set({ focus: (focus + SECTIONS.length - 1) % SECTIONS.length });
    else if (key.upArrow || input === 'k') move(-1);
    else if (key.downArrow || input === 'j') move(1);
    else if (key.pageUp) move(-10);
    else if (key.pageDown) move(10);
    else if (input === '/') set({ typing: true });
    else if (key.escape) set({ filter: '' });
    else if (key.return || input === 'l') set({ opened: taskOf(section, list[index]) });
    else set({ question: questionFor(mesh, input, section, list[index]) });
  };
  const press = (input: string, key: Key) => {
    set({ note: '' });
    if (screen.current.question) void answer(input === 'y');
    else if (screen.current.typing) type(input, key);
    else command(input, key);
  };
  useInput(
    (input, key) => {
      // Pasted or fast-typed text arrives as one input, with its Enters and Tabs as characters.
      if (input.length < 2) press(input, key);
      else
        for (const char of input) press(char, { ...key, return: char === '\r' || char === '\n', tab: char === '\t' });
    },
    { isActive: screen.current.opened === undefined },
  );

  const { focus, filter, typing, question, opened, note } = screen.current;
  const lists = listsOf(view, filter);
  const { section, index } = here();
  if (opened !== undefined) return <LogScreen mesh={mesh} id={opened} onClose={() => set({ opened: undefined })} />;
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
      <SafeText bold>{headline(view)}</SafeText>
      {shownProblems.map(({ severity, what, fix }, place) => (
        <SafeText key={what} {...(color && { color: PROBLEM_COLORS[severity] })}>
          {`${MARKS[severity]} ${what} → ${fix}${
            place === MOST_PROBLEMS - 1 && problems.length > MOST_PROBLEMS
              ? ` (+${problems.length - MOST_PROBLEMS})`
              : ''
          }`}
        </SafeText>
      ))}
      {SECTIONS.map((name, place) => {
        const cursor = place === focus ? index : -1;
        const { items, from } = visible<Item>(lists[name], Math.max(0, cursor), heights[place] ?? 1);
        return (
          <Box key={name} flexDirection="column" height={(heights[place] ?? 1) + 1}>
            <SafeText dimColor bold={place === focus}>
              {`${place === focus ? '▸ ' : '  '}${row(
                COLUMNS[name],
                COLUMNS[name].map(([title]) => title),
                columns - 2,
              )}`}
            </SafeText>
            {items.length === 0 && <SafeText dimColor>{'  none'}</SafeText>}
            {items.map((item, offset) => {
              const { cells, state } = lineOf(name, item);
              const color = style(state);
              const isHere = from + offset === cursor;
              return (
                <SafeText key={keyOf(item)} inverse={isHere} {...(color && { color })}>
                  {`${isHere ? '› ' : '  '}${row(COLUMNS[name], cells, columns - 2)}`}
                </SafeText>
              );
            })}
          </Box>
        );
      })}
      <Box flexGrow={1} />
      <SafeText dimColor={!question && !typing && !trouble}>
        {footer({ question, typing, filter, note, trouble, section })}
      </SafeText>
    </Box>
  );
}

function headline(view: View | undefined): string {
  if (!view) return 'clawmesh top: loading…';
  const { mesh, redis, nodes, pools } = view.snapshot;
  const nodeCounts = Object.entries(nodes).filter(([state, count]) => count > 0 || state === 'up');
  const sum = (state: 'waiting' | 'active' | 'failed') =>
    Object.values(pools).reduce((total, pool) => total + pool[state], 0);
  const tasks = `${sum('active')} active, ${sum('waiting')} waiting, ${sum('failed')} failed`;
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
  if (now.typing) return `filter: ${now.filter}▏ (Enter keeps it, Esc clears it)`;
  if (now.trouble) return `✗ ${oneLine(now.trouble, 200)}`;
  if (now.note) return now.note;
  const filter = now.filter ? ` "${now.filter}"` : '';
  return `Tab section · ↑↓ select · ${KEYS[now.section]} · / filter${filter} · q quit`;
}
