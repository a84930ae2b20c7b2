import { Box } from 'ink';
import { stateStyle } from '../output.ts';
import { row, share, visible, withRemark } from './columns.ts';
import { SafeText } from './safe-text.tsx';
import { COLUMNS, cellsOf, type Item, keyOf, type Section } from './sections.ts';

const PROBLEM_COLORS = { error: 'red', warning: 'yellow', notice: 'gray' } as const;

interface Props {
  readonly sections: readonly Section[];
  readonly lists: Readonly<Record<Section, readonly Item[]>>;
  readonly focus: Section;
  /** The key of the selected item of each section. */
  readonly selected: Partial<Record<Section, string>>;
  /** Width of the terminal. */
  readonly columns: number;
  /** Lines for all sections together. */
  readonly rows: number;
  readonly color: boolean;
}

/** The sections below each other, each with a title and as many of its items as fit. */
export function SectionTables({ sections, lists, focus, selected, columns, rows, color }: Props) {
  // On a terminal with too few lines for all titles, only the focused section is shown.
  const shown = rows < 2 * sections.length ? [focus] : sections;
  const heights = share(
    shown.map((name) => Math.max(1, lists[name].length)),
    shown.indexOf(focus),
    rows - shown.length,
  );
  return shown.map((name, place) => {
    const list = lists[name];
    const isFocused = name === focus;
    const cursor = Math.max(
      0,
      list.findIndex((item) => keyOf(item) === selected[name]),
    );
    const height = heights[place] ?? 0;
    const { items, from } = visible(list, isFocused ? cursor : 0, height);
    const titles = COLUMNS[name].map(({ title }) => title);
    const remark = items.length < list.length ? `${from + 1}–${from + items.length}/${list.length}` : '';
    return (
      <Box key={name} flexDirection="column" height={height + 1}>
        <SafeText dimColor bold={isFocused}>
          {`${isFocused ? '▸ ' : '  '}${withRemark(row(COLUMNS[name], titles, columns - 2, columns), remark)}`}
        </SafeText>
        {list.length === 0 && height > 0 && <SafeText dimColor>{'  none'}</SafeText>}
        {items.map((item, offset) => {
          const isHere = isFocused && from + offset === cursor;
          const style = color ? colorOf(item) : undefined;
          return (
            <SafeText key={keyOf(item)} inverse={isHere} {...(style !== undefined && { color: style })}>
              {`${isHere ? '› ' : '  '}${row(COLUMNS[name], cellsOf(item), columns - 2, columns)}`}
            </SafeText>
          );
        })}
      </Box>
    );
  });
}

function colorOf(item: Item): string | undefined {
  switch (item.section) {
    case 'problems':
      return PROBLEM_COLORS[item.problem.severity];
    case 'pools':
      return item.pool.paused ? 'yellow' : undefined;
    case 'nodes':
      return stateStyle(item.node.state);
    case 'tasks':
      return stateStyle(item.task.state);
    case 'handovers':
      return undefined;
  }
}
