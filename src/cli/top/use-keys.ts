import { type Key, useInput } from 'ink';

/** Calls `press` for each key. Pasted or fast-typed text arrives as one input, with its Enters and Tabs as characters. */
export function useKeys(press: (input: string, key: Key) => void, isActive = true): void {
  useInput(
    (input, key) => {
      if (input.length < 2) press(input, key);
      else
        for (const char of input) press(char, { ...key, return: char === '\r' || char === '\n', tab: char === '\t' });
    },
    { isActive },
  );
}
