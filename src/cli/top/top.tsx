import { Box, type Key, render, useApp, useWindowSize } from 'ink';
import { useReducer, useRef } from 'react';
import type { Mesh } from '../../client/mesh.ts';
import { messageOf } from '../../domain/errors.ts';
import { type Question, questionFor } from './actions.ts';
import { type Details, detailsOf, help } from './details.ts';
import { footer, headline, outageLine } from './lines.ts';
import { LogScreen } from './log-screen.tsx';
import { Pager } from './pager.tsx';
import { SafeText } from './safe-text.tsx';
import { SectionTables } from './section-tables.tsx';
import { type Item, keyOf, listsOf, SECTIONS, type Section } from './sections.ts';
import { useView, type View } from './top-state.ts';
import { useKeys } from './use-keys.ts';

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

/** A screen over the live view: a task, or a text. */
type Opened = { readonly task: string } | { readonly details: Details };

/** The state of the screen as set by the user. */
interface Screen {
  readonly focus: Section;
  /** By key and not by index: lists change, and an action must apply to the item that the user selected. */
  readonly selected: Partial<Record<Section, string>>;
  readonly filter: string;
  readonly typing: boolean;
  readonly question: Question | undefined;
  readonly opened: Opened | undefined;
  readonly note: string;
}

function Top({ mesh, color }: { mesh: Mesh; color: boolean }) {
  const app = useApp();
  const { columns, rows } = useWindowSize();
  const [, draw] = useReducer((count: number) => count + 1, 0);
  // Keys can arrive faster than the screen is drawn; each must see the effect of the previous one.
  const screen = useRef<Screen>({
    focus: 'tasks',
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
  const { view, outage, look } = useView(mesh, screen.current.filter);
  const here = () => placeOf(view, screen.current);
  const move = (by: number) => {
    const { section, list, index } = here();
    const next = list[Math.max(0, Math.min(list.length - 1, index + by))];
    if (next) set({ selected: { ...screen.current.selected, [section]: keyOf(next) } });
  };
  const turn = (by: number) => {
    const { section, sections } = here();
    const next = sections[(sections.indexOf(section) + by + sections.length) % sections.length];
    if (next) set({ focus: next });
  };
  const answer = async (yes: boolean) => {
    const { question } = screen.current;
    // A cancel waits for the node for some seconds.
    set({ question: undefined, note: yes && question ? `${question.text.replace(/\?.*/, '')}…` : '' });
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
    const { list, index } = here();
    const item = list[index];
    if (input === 'q') app.exit();
    else if (input === '?') set({ opened: { details: help() } });
    else if (key.tab || key.rightArrow) turn(key.shift ? -1 : 1);
    else if (key.leftArrow) turn(-1);
    else if (key.upArrow || input === 'k') move(-1);
    else if (key.downArrow || input === 'j') move(1);
    else if (key.pageUp) move(-10);
    else if (key.pageDown) move(10);
    else if (input === '/') set({ typing: true });
    else if (key.escape) set({ filter: '' });
    else if (key.return || input === 'l') set({ opened: item && openedOf(item, view) });
    else set({ question: questionFor(mesh, input, item) });
  };
  useKeys((input, key) => {
    set({ note: '' });
    if (screen.current.question) void answer(input === 'y');
    else if (screen.current.typing) type(input, key);
    else command(input, key);
  }, screen.current.opened === undefined);

  const { filter, typing, question, opened, note, selected } = screen.current;
  const close = () => set({ opened: undefined });
  if (opened && 'task' in opened) return <LogScreen mesh={mesh} id={opened.task} onClose={close} />;
  if (opened) return <Pager {...opened.details} onClose={close} />;
  const { section, sections, lists } = here();
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <SafeText bold>{view ? headline(view, columns) : 'clawmesh top: reading the mesh from Redis…'}</SafeText>
      {outage && (
        <SafeText bold {...(color && { color: 'red' })}>
          {outageLine(outage.why, view, Date.now())}
        </SafeText>
      )}
      {view && (
        <SectionTables
          sections={sections}
          lists={lists}
          focus={section}
          selected={selected}
          columns={columns}
          rows={rows - (outage ? 3 : 2)}
          color={color}
        />
      )}
      <Box flexGrow={1} />
      <SafeText dimColor={!question && !typing}>
        {footer({ question, typing, filter, note, section }, columns)}
      </SafeText>
    </Box>
  );
}

const NOTHING: Readonly<Record<Section, readonly Item[]>> = {
  problems: [],
  pools: [],
  nodes: [],
  tasks: [],
  handovers: [],
};

/** The sections on the screen, and the place of the selected item. */
function placeOf(view: View | undefined, { focus, filter, selected }: Screen) {
  const lists = view ? listsOf(view, filter) : NOTHING;
  const sections = SECTIONS.filter((name) => name !== 'problems' || lists.problems.length > 0);
  const section = sections.includes(focus) ? focus : 'tasks';
  const list = lists[section];
  const index = Math.max(
    0,
    list.findIndex((item) => keyOf(item) === selected[section]),
  );
  return { lists, sections, section, list, index };
}

function openedOf(item: Item, view: View | undefined): Opened {
  switch (item.section) {
    case 'tasks':
      return { task: item.task.id };
    case 'handovers':
      return { task: item.handover.taskId };
    default:
      return { details: detailsOf(item, view?.nodes ?? []) };
  }
}
