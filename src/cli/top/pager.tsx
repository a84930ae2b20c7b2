import { Box, useWindowSize } from 'ink';
import { useState } from 'react';
import { SafeText } from './safe-text.tsx';
import { useKeys } from './use-keys.ts';
import { wrapped } from './wrapped.ts';

/**
 * A text on the whole screen, to scroll through. With `follows`, it shows its end at first, and follows it while it
 * grows, until the user scrolls back.
 */
export function Pager(props: {
  readonly title: string;
  readonly lines: readonly string[];
  readonly follows?: boolean;
  readonly onClose: () => void;
}) {
  const { title, lines, follows = false, onClose } = props;
  const { columns, rows } = useWindowSize();
  /** Lines scrolled away from the side where reading starts. */
  const [scrolled, setScrolled] = useState(0);
  const all = lines.flatMap((line) => wrapped(line, columns));
  const height = Math.max(1, rows - 2);
  const most = Math.max(0, all.length - height);
  const away = Math.min(scrolled, most);
  const from = follows ? most - away : away;
  const scroll = (down: number) => {
    setScrolled((now) => Math.max(0, Math.min(most, Math.min(now, most) + (follows ? -down : down))));
  };
  useKeys((input, key) => {
    if (key.escape || key.return || input === 'q' || input === '?') onClose();
    else if (key.upArrow || input === 'k') scroll(-1);
    else if (key.downArrow || input === 'j') scroll(1);
    else if (key.pageUp) scroll(-height);
    else if (key.pageDown || input === ' ') scroll(height);
  });
  const place = most === 0 ? '' : ` · lines ${from + 1}–${Math.min(all.length, from + height)} of ${all.length}`;
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <SafeText bold>{title}</SafeText>
      <Box flexDirection="column" height={height}>
        {all.slice(from, from + height).map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name
          <SafeText key={index}>{line || ' '}</SafeText>
        ))}
      </Box>
      <SafeText dimColor>{`Esc back · ↑↓ scroll${place}`}</SafeText>
    </Box>
  );
}
