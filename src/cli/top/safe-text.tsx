import { Text, type TextProps } from 'ink';
import { inOneLine } from '../output.ts';

/** One line of the screen without sequences that control the terminal: most lines contain text from other sources. */
export function SafeText({ children, ...style }: Omit<TextProps, 'children' | 'wrap'> & { children: string }) {
  return (
    <Text wrap="truncate" {...style}>
      {inOneLine(children)}
    </Text>
  );
}
