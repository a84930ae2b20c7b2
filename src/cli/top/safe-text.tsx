import { Text, type TextProps } from 'ink';
import { inOneLine } from '../output.ts';

/** One line of the screen, with nothing in it that would steer the terminal: most of it has parts that others wrote. */
export function SafeText({ children, ...style }: Omit<TextProps, 'children' | 'wrap'> & { children: string }) {
  return (
    <Text wrap="truncate" {...style}>
      {inOneLine(children)}
    </Text>
  );
}
