import type { Node } from 'web-tree-sitter';
import { parts, withTree } from './lua-tree.ts';

/** A stretch of a file that runs as a whole or not at all, from `at` to the next one of its block. */
interface Mark {
  readonly at: number;
  /** End of the block that it stands in. */
  readonly until: number;
}

/** Where a text is marked so that a server's log tells which stretches of it have run. */
export class LuaMarks {
  readonly #file: string;
  readonly #marks: readonly Mark[];
  /** The marked text. */
  readonly text: string;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#marks = withTree(text, marksIn);
    let marked = '';
    let from = 0;
    for (const [i, { at }] of this.#marks.entries()) {
      // No key is touched: tests look at all that there are.
      marked += `${text.slice(from, at)}redis.log(redis.LOG_WARNING, '${markName(file, i)}') `;
      from = at;
    }
    this.text = marked + text.slice(from);
  }

  /** The name of the stretch that this place is in, as {@link marksOf} finds it in a log. */
  at(offset: number): string {
    let found = 0;
    for (const [i, { at, until }] of this.#marks.entries()) if (at <= offset && offset < until) found = i;
    return markName(this.#file, found);
  }
}

function markName(file: string, index: number): string {
  return `lua-mark ${file}#${index}`;
}

/** The names of the marks in a server's log, each once. */
export function marksOf(log: string): string[] {
  return [...new Set(log.match(/lua-mark \S+#\d+/g))];
}

/** One at the beginning of each block, and one behind each statement that may have left it. In the order of their places. */
function marksIn(root: Node): Mark[] {
  const blocks = [root, ...root.descendantsOfType('block')];
  return blocks
    .flatMap((block) => {
      const statements = parts(block).filter(({ type }) => type !== 'empty_statement');
      const mayLeave = (node: Node) => node.descendantsOfType(['return_statement', 'break_statement']).length > 0;
      const marked = statements.filter((_, i) => {
        const before = statements[i - 1];
        return before === undefined || (before.type !== 'function_declaration' && mayLeave(before));
      });
      return marked.map(({ startIndex }) => ({ at: startIndex, until: block.endIndex }));
    })
    .sort((a, b) => a.at - b.at);
}
