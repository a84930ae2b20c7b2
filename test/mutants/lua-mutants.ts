import type { Node } from 'web-tree-sitter';
import { isLua, parts, withTree } from './lua-tree.ts';

/** What a mutant has changed. Of a number there are two, one more and one less. */
export type LuaKind =
  | 'comparison'
  | 'condition'
  | 'logic'
  | 'statement'
  | 'number+1'
  | 'number-1'
  | 'key'
  | 'string'
  | 'field';

/** One small change to one Lua file. */
export interface LuaMutant {
  /** `<file>:<line>:<column> <kind>`, the same in each run for as long as the file is the same. */
  readonly id: string;
  readonly file: string;
  readonly kind: LuaKind;
  /** Where in the file's text it stands. */
  readonly start: number;
  /** The file's text as it is changed. */
  readonly text: string;
  /** The changed line as it was, without its indentation. */
  readonly code: string;
  /** `<before> → <after>`, each on one line and shortened. */
  readonly change: string;
}

interface Change {
  readonly kind: LuaKind;
  readonly node: Node;
  readonly to: string;
}

const COMPARISONS: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '==': '~=',
  '~=': '==',
};
const LOGIC: Readonly<Record<string, string>> = { and: 'or', or: 'and' };

/** All mutants of a file, in the order of their places. Each of them parses, and none has the text of another. */
export function luaMutants(file: string, text: string): LuaMutant[] {
  return withTree(text, (root) => {
    const texts = new Set([text]);
    const ids = new Set<string>();
    return changes(root).flatMap(({ kind, node, to }) => {
      const mutated = text.slice(0, node.startIndex) + to + text.slice(node.endIndex);
      // Only what is left out may have held the rest together.
      if (texts.has(mutated) || (to === '' && !isLua(mutated))) return [];
      texts.add(mutated);
      const { row, column } = node.startPosition;
      const id = `${file}:${row + 1}:${column + 1} ${kind}`;
      if (ids.has(id)) throw new Error(`two mutants are called ${id}`);
      ids.add(id);
      const code = (text.split('\n')[row] ?? '').trim();
      return [
        { id, file, kind, start: node.startIndex, text: mutated, code, change: `${brief(node.text)} → ${brief(to)}` },
      ];
    });
  });
}

function brief(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  if (line === '') return '(nothing)';
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

function changes(root: Node): Change[] {
  const indexes = usedIndexes(root);
  const names = usedNames(root);
  const found: Change[] = [];
  const visit = (node: Node, scope: Scope): void => {
    const inner = opensScope(node) ? { names: [], outer: scope } : scope;
    declareParameters(node, inner);
    found.push(...changesOf(node, { indexes, names, scope: inner }));
    for (const child of parts(node)) visit(child, inner);
    declareLocals(node, inner);
  };
  visit(root, { names: [], outer: undefined });
  return found.sort((a, b) => a.node.startIndex - b.node.startIndex);
}

interface Around {
  readonly indexes: ReadonlyMap<string, readonly number[]>;
  readonly names: readonly string[];
  readonly scope: Scope;
}

function changesOf(node: Node, around: Around): Change[] {
  switch (node.type) {
    case 'binary_expression':
      return operator(node);
    case 'if_statement':
    case 'elseif_statement':
    case 'while_statement':
    case 'repeat_statement':
      return condition(node);
    case 'assignment_statement':
      return node.parent?.type === 'variable_declaration' ? [] : [dropped(node)];
    case 'return_statement':
    case 'break_statement':
      return [dropped(node)];
    case 'function_call':
      return isStatement(node) ? [dropped(node)] : [];
    case 'number':
      return isKeyIndex(node) ? otherIndex(node, around.indexes) : oneOff(node);
    case 'identifier':
      return otherKey(node, around.scope);
    case 'dot_index_expression':
      return otherName(node, around.names);
    case 'string':
      return otherString(node);
    case 'field':
      return otherField(node);
    default:
      return [];
  }
}

function operator(node: Node): Change[] {
  const sign = node.children.find(({ isNamed, type }) => !isNamed && (type in COMPARISONS || type in LOGIC));
  if (!sign) return [];
  const comparison = COMPARISONS[sign.type];
  if (comparison !== undefined) return [{ kind: 'comparison', node: sign, to: comparison }];
  return [{ kind: 'logic', node: sign, to: LOGIC[sign.type] ?? '' }];
}

/** Of an equality the flipped comparison is the same. */
function condition(node: Node): Change[] {
  const asked = node.childForFieldName('condition');
  if (!asked || asked.children.some(({ type }) => type === '==' || type === '~=')) return [];
  const [operand] = asked.type === 'unary_expression' && asked.child(0)?.type === 'not' ? parts(asked) : [];
  return [{ kind: 'condition', node: asked, to: operand ? operand.text : `not (${asked.text})` }];
}

function dropped(node: Node): Change {
  return { kind: 'statement', node, to: '' };
}

function isStatement(node: Node): boolean {
  return node.parent?.type === 'block' || node.parent?.type === 'chunk';
}

/** A time or a size of thousands and one more can't be told apart: of those there is hardly anything left instead. */
const LARGE = 1_000;

function oneOff(node: Node): Change[] {
  const value = Number(node.text);
  if (!Number.isFinite(value)) return [];
  const less: Change = { kind: 'number-1', node, to: String(value >= LARGE ? 1 : value - 1) };
  return value >= LARGE ? [less] : [{ kind: 'number+1', node, to: String(value + 1) }, less];
}

// Keys come as KEYS[1], in tables (`keys[1]`), as locals of their own and in the table `names`.

function isKeyIndex(node: Node): boolean {
  const { parent } = node;
  if (parent?.type !== 'bracket_index_expression') return false;
  return /^keys$/i.test(parent.childForFieldName('table')?.text ?? '');
}

function usedIndexes(root: Node): Map<string, number[]> {
  const used = new Map<string, number[]>();
  for (const node of root.descendantsOfType('number').filter(isKeyIndex)) {
    const table = node.parent?.childForFieldName('table')?.text ?? '';
    const list = used.get(table) ?? [];
    used.set(
      table,
      [...new Set([...list, Number(node.text)])].sort((a, b) => a - b),
    );
  }
  return used;
}

/** The next of those that the file uses; of a single one the one behind it. */
function otherIndex(node: Node, indexes: ReadonlyMap<string, readonly number[]>): Change[] {
  const own = Number(node.text);
  const others = indexes.get(node.parent?.childForFieldName('table')?.text ?? '') ?? [];
  const to = others.length > 1 ? others[(others.indexOf(own) + 1) % others.length] : own + 1;
  return [{ kind: 'key', node, to: String(to) }];
}

function isName(node: Node): boolean {
  return node.type === 'dot_index_expression' && node.childForFieldName('table')?.text === 'names';
}

function usedNames(root: Node): string[] {
  const found = root.descendantsOfType('dot_index_expression').filter(isName);
  return [...new Set(found.map((node) => node.childForFieldName('field')?.text ?? ''))].sort();
}

function otherName(node: Node, names: readonly string[]): Change[] {
  const field = node.childForFieldName('field');
  if (!field || !isName(node) || names.length < 2) return [];
  return [{ kind: 'key', node: field, to: names[(names.indexOf(field.text) + 1) % names.length] ?? '' }];
}

/** Names of locals and parameters that hold a key, as they are declared one after the other. */
interface Scope {
  readonly names: { readonly name: string; readonly isKey: boolean }[];
  readonly outer: Scope | undefined;
}

const SCOPES = ['block', 'function_declaration', 'function_definition', 'for_statement'];

function opensScope(node: Node): boolean {
  return SCOPES.includes(node.type);
}

function declareParameters(node: Node, scope: Scope): void {
  if (node.type !== 'parameters') return;
  for (const { text } of parts(node)) scope.names.push({ name: text, isKey: text.endsWith('Key') });
}

/** A local is known behind its declaration. */
function declareLocals(node: Node, scope: Scope): void {
  if (node.type !== 'variable_declaration') return;
  const assignment = parts(node).find(({ type }) => type === 'assignment_statement');
  const [variables, values] = assignment ? parts(assignment) : parts(node);
  const list = values ? parts(values) : [];
  for (const [i, { text }] of (variables ? parts(variables) : []).entries()) {
    const value = list[i];
    scope.names.push({ name: text, isKey: text.endsWith('Key') || (value !== undefined && holdsKey(value, scope)) });
  }
}

/** `KEYS[1]`, a local that holds one, or one of them with something behind. */
function holdsKey(value: Node, scope: Scope): boolean {
  if (value.type === 'bracket_index_expression') return value.childForFieldName('table')?.text === 'KEYS';
  if (value.type === 'identifier') return keysInScope(scope).includes(value.text);
  const [left] =
    value.type === 'binary_expression' && value.children.some(({ type }) => type === '..') ? parts(value) : [];
  return left !== undefined && (/^(base|mesh|names\.\w+)$/.test(left.text) || holdsKey(left, scope));
}

function keysInScope(scope: Scope): string[] {
  const seen = new Map<string, boolean>();
  for (let at: Scope | undefined = scope; at; at = at.outer) {
    for (const { name, isKey } of at.names.toReversed()) if (!seen.has(name)) seen.set(name, isKey);
  }
  return [...seen].filter(([, isKey]) => isKey).map(([name]) => name);
}

/** Another key that is known at this place, where this one is read. */
function otherKey(node: Node, scope: Scope): Change[] {
  const keys = keysInScope(scope);
  const index = keys.indexOf(node.text);
  if (index < 0 || keys.length < 2 || !isRead(node)) return [];
  return [{ kind: 'key', node, to: keys[(index + 1) % keys.length] ?? '' }];
}

function isRead(node: Node): boolean {
  const { parent } = node;
  if (!parent || ['parameters', 'variable_list', 'for_generic_clause', 'for_numeric_clause'].includes(parent.type))
    return false;
  if (parent.type === 'dot_index_expression') return parent.childForFieldName('field')?.id !== node.id;
  if (parent.type === 'field') return parent.childForFieldName('name')?.id !== node.id;
  return true;
}

/** Commands and their options, and patterns: Redis or Lua refuse what becomes of them. */
function otherString(node: Node): Change[] {
  const content = node.text.slice(1, -1);
  if (!/^['"]/.test(node.text) || /^[A-Z]+$|^[~*]$/.test(content) || isPattern(node)) return [];
  const quote = node.text.charAt(0);
  const to = /^-?\d+$/.test(content) ? String(Number(content) + 1) : `${content}~`;
  return [{ kind: 'string', node, to: `${quote}${to}${quote}` }];
}

function isPattern(node: Node): boolean {
  const call = node.parent?.type === 'arguments' ? node.parent.parent : undefined;
  return /^string\./.test(call?.childForFieldName('name')?.text ?? '');
}

/** What a result, an event or an argument calls a value. */
function otherField(node: Node): Change[] {
  const name = node.childForFieldName('name');
  return name?.type === 'identifier' && node.child(0)?.type !== '['
    ? [{ kind: 'field', node: name, to: `${name.text}_` }]
    : [];
}
