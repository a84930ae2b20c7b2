import { createRequire } from 'node:module';
import { Language, type Node, Parser } from 'web-tree-sitter';

await Parser.init();
const grammar = createRequire(import.meta.url).resolve('@tree-sitter-grammars/tree-sitter-lua/tree-sitter-lua.wasm');
const parser = new Parser();
parser.setLanguage(await Language.load(grammar));

/** Hands over the tree of a Lua text for as long as `use` takes. @throws Error if the text is no Lua. */
export function withTree<T>(text: string, use: (root: Node) => T): T {
  const tree = parser.parse(text);
  if (!tree) throw new Error('the Lua parser gave no tree');
  try {
    if (tree.rootNode.hasError) throw new Error('this is no Lua');
    return use(tree.rootNode);
  } finally {
    tree.delete();
  }
}

/** Whether the text is Lua. */
export function isLua(text: string): boolean {
  const tree = parser.parse(text);
  const good = tree !== null && !tree.rootNode.hasError;
  tree?.delete();
  return good;
}

/** The named parts of a node, without comments. */
export function parts(node: Node): Node[] {
  return node.namedChildren.filter(({ type }) => type !== 'comment');
}
