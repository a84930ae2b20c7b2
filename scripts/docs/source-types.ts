import { resolve } from 'node:path';
import {
  API,
  type Checker,
  type Project,
  SymbolFlags,
  type Type,
  type Symbol as TypeSymbol,
} from 'typescript/unstable/sync';

/**
 * The types of the source with their comments, as the compiler sees them. The API of TypeScript 7 is marked unstable;
 * an update that changes it shows in `npm run check`.
 */
export class SourceTypes {
  readonly checker: Checker;
  readonly #api: API;
  readonly #project: Project;

  /** `configFile` names the source files. */
  constructor(configFile: string) {
    this.#api = new API({ cwd: process.cwd() });
    const [project] = this.#api.updateSnapshot({ openProjects: [configFile] }).getProjects();
    if (!project) throw new Error(`${configFile} is no project`);
    this.#project = project;
    this.checker = project.checker;
  }

  close(): void {
    this.#api.close();
  }

  /** An exported type. */
  exported(file: string, name: string): Type {
    return this.checker.getDeclaredTypeOfSymbol(this.#symbol(file, name));
  }

  /** The members of a type: `id` first, then as they are declared; the compiler itself returns them in any order. */
  members(type: Type): readonly TypeSymbol[] {
    const place = ({ name, declarations: [first] }: TypeSymbol) => ({
      rank: name === 'id' ? 0 : 1,
      path: first?.path ?? '',
      index: first?.index ?? 0,
      name,
    });
    const placed = this.checker.getPropertiesOfType(type).map((member) => ({ member, at: place(member) }));
    return placed
      .sort(
        ({ at: a }, { at: b }) =>
          a.rank - b.rank || compare(a.path, b.path) || a.index - b.index || compare(a.name, b.name),
      )
      .map(({ member }) => member);
  }

  typeOf(member: TypeSymbol): Type {
    const type = this.checker.getTypeOfSymbol(member);
    if (!type) throw new Error(`${member.name} has no type`);
    return type;
  }

  /** Whether the member is declared as `name?:`. */
  isOptional(member: TypeSymbol): boolean {
    return (member.flags & SymbolFlags.Optional) !== 0;
  }

  /** The comment of a symbol, in one line; undefined without one. */
  comment(symbol: TypeSymbol | undefined): string | undefined {
    const text = symbol?.getDocumentationComment(this.checker).replace(/\s+/g, ' ').trim();
    return text === '' ? undefined : text;
  }

  /** Whether it is declared in our own source, not in a library. */
  isOurs(symbol: TypeSymbol): boolean {
    return symbol.declarations.some(({ path }) => path.includes('/src/') && !path.includes('/node_modules/'));
  }

  #symbol(file: string, name: string): TypeSymbol {
    const source = this.#project.program.getSourceFile(resolve(file));
    const module = source && this.checker.getSymbolAtLocation(source);
    const found = module && this.checker.getExportsOfModule(module).find((symbol) => symbol.name === name);
    if (!found) throw new Error(`${file} exports no ${name}`);
    return found;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
