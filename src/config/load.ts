import { accessSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Document, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type * as z from 'zod';
import { cutText } from '../domain/cut-text.ts';
import { ClawmeshError, messageOf, onOneLine } from '../domain/errors.ts';
import { nearest } from '../domain/names.ts';
import { utf8Text } from '../domain/text.ts';
import { configEnvironment } from './env-file.ts';
import { EnvText, RESERVED } from './env-text.ts';
import { homeFolder } from './home.ts';
import { type Config, configSchema } from './schema.ts';
import { settingAt } from './tree.ts';

/** A config and its source. */
export interface LoadedConfig {
  readonly config: Config;
  /** The file; undefined if there is none and every setting has its default. */
  readonly file: string | undefined;
  /** The line of each setting, by dotted path; settings without a line have their default. */
  readonly origins: ReadonlyMap<string, number>;
  /** Environment variables that supply clawmesh's own secrets. They are never passed to agent runs. */
  readonly ownSecretEnv: readonly string[];
}

/** Config files in order of preference, after `--config`; the first that exists is used. */
export function configCandidates(env: NodeJS.ProcessEnv): string[] {
  return ['config/clawmesh.yaml', ...ownConfig(env), '/etc/clawmesh/clawmesh.yaml'];
}

function ownConfig(env: NodeJS.ProcessEnv): string[] {
  try {
    return [join(homeFolder(env), '.config/clawmesh/clawmesh.yaml')];
  } catch {
    // A user without a home folder has no config there.
    return [];
  }
}

/**
 * Finds, reads and validates the config. Without any file, every setting has its default.
 *
 * @throws ClawmeshError `config`, one line per problem: file:line:column: key: expectation.
 */
export function loadConfig(options: { file?: string | undefined; env: NodeJS.ProcessEnv }): LoadedConfig {
  const named = options.file ?? options.env.CLAWMESH_CONFIG;
  const file = named || configCandidates(options.env).find(exists);
  if (!file) {
    return { config: configSchema.parse({}), file: undefined, origins: new Map(), ownSecretEnv: [] };
  }
  return parseConfig(readConfigFile(file), file, configEnvironment(file, options.env));
}

/**
 * Checks that other programs can read this config file, too. @throws ClawmeshError `config` for a non-file, such as a
 * pipe.
 */
export function sharedFile(file: string): string {
  if (statSync(file).isFile()) return file;
  throw new ClawmeshError(
    'config',
    `${onOneLine(file)}: is not a regular file, and other programs must be able to read it too`,
    {
      remedy: 'write the config to a file, and name that file',
    },
  );
}

function exists(file: string): boolean {
  try {
    accessSync(file);
    return true;
  } catch {
    return false;
  }
}

function readConfigFile(file: string): string {
  try {
    if (statSync(file).isDirectory()) {
      throw new ClawmeshError('config', `${onOneLine(file)}: is a folder`, {
        remedy: 'give the path of the YAML file itself',
      });
    }
    return utf8Text(readFileSync(file));
  } catch (error) {
    if (error instanceof ClawmeshError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const reason =
      code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'this user may not read it' : messageOf(error);
    throw new ClawmeshError('config', `${onOneLine(file)}: ${reason}`, {
      remedy: 'check --config or $CLAWMESH_CONFIG',
      cause: error,
    });
  }
}

/** Validates a config text; `file` is used only in errors. */
export function parseConfig(source: string, file: string, env: NodeJS.ProcessEnv): LoadedConfig {
  const envText = new EnvText(source);
  const lines = new LineCounter();
  const document = parseDocument(envText.text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number | undefined): string => {
    const { line, col } = lines.linePos(offset ?? 0);
    return `${onOneLine(file)}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };

  const reserved = source.search(RESERVED);
  if (reserved !== -1)
    throw configError([`${at(reserved)}: remove the character from U+E000 to U+E002, which clawmesh reserves`]);
  // Parser warnings count as errors: `!vault`, for example, changes the meaning of a value.
  const [yamlError] = [...document.errors, ...document.warnings];
  if (yamlError) {
    throw configError([`${at(yamlError.pos[0])}: not valid YAML: ${messageOf(yamlError)}`]);
  }
  if (document.directives?.yaml.version !== '1.2') {
    throw configError([`${at(0)}: expected YAML 1.2; in YAML 1.1, 010 means 8 and no means false`]);
  }
  if (document.contents === null) {
    throw new ClawmeshError('config', `${onOneLine(file)}: is empty`, {
      remedy: 'start from config/clawmesh.example.yaml',
    });
  }
  if (!isMap(document.contents)) {
    throw configError([`${at(0)}: expected settings such as "mesh: studio"`]);
  }

  const unclear = [...keepAsWritten(document, at), ...expandEnvironment(document, envText, env, at)];
  if (unclear.length > 0) throw configError(unclear);

  // A config is parsed once. Compiling a parser for it, as zod does otherwise, takes longer.
  const parsed = configSchema.safeParse(document.toJS(), { jitless: true });
  if (!parsed.success) {
    throw configError(parsed.error.issues.flatMap((issue) => describeIssue(issue, document, at)));
  }
  return {
    config: withPathsFrom(dirname(file), parsed.data),
    file,
    // Most commands need neither.
    get origins() {
      return originsOf(document, lines);
    },
    get ownSecretEnv() {
      return secretVariables(parseDocument(envText.text), envText);
    },
  };
}

/** Resolves relative paths against the config file, because the working folder of a service is arbitrary. */
function withPathsFrom(folder: string, config: Config): Config {
  if (!config.redis?.tls) return config;
  const files = Object.entries(config.redis.tls).map(([name, path]) => [name, path && resolve(folder, path)]);
  return { ...config, redis: { ...config.redis, tls: Object.fromEntries(files) } };
}

function configError(problems: string[]): ClawmeshError {
  return new ClawmeshError('config', problems.join('\n'), {
    remedy: 'nothing was changed; correct the config and try again',
  });
}

/**
 * YAML turns `1.10`, `007` and `1e5` into numbers, which changes their text. This keeps names, and everything that is
 * text in the schema, as written.
 *
 * @returns problems with ambiguous numbers.
 */
function keepAsWritten(document: Document, at: (offset: number | undefined) => string): string[] {
  const problems: string[] = [];
  visit(document, {
    Scalar(place, node, ancestors) {
      const { value, source } = node;
      if (source === undefined || (typeof value !== 'number' && typeof value !== 'boolean')) return;
      const path = ancestors.flatMap((one) =>
        isSeq(one) ? ['0'] : isPair(one) && isScalar(one.key) ? [String(one.key.value)] : [],
      );
      if (place === 'key' || settingAt(configSchema, path)?.type._zod.def.type === 'string') {
        node.value = source;
      } else if (/^[-+]?0\d/.test(source)) {
        problems.push(
          `${at(node.range?.[0])}: ${path.join('.')}: ${source} means another number in YAML 1.1; write it without the leading zero`,
        );
      }
    },
  });
  return problems;
}

function expandEnvironment(
  document: Document,
  envText: EnvText,
  env: NodeJS.ProcessEnv,
  at: (offset: number | undefined) => string,
): string[] {
  const problems: string[] = [];
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value !== 'string') return;
      const { value, missing, garbled } = envText.expand(node.value, env);
      node.value = value;
      for (const name of garbled) {
        problems.push(`${at(node.range?.[0])}: environment variable ${name} is not UTF-8 text`);
      }
      for (const name of missing) {
        problems.push(
          `${at(node.range?.[0])}: environment variable ${name} is not set; set it, or give a default: \${${name}:-…}`,
        );
      }
    },
  });
  return problems;
}

function describeIssue(
  issue: z.core.$ZodIssue,
  document: Document,
  at: (offset: number | undefined) => string,
): string[] {
  if (issue.code !== 'unrecognized_keys') {
    const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    const got = receivedText(document, issue.path);
    return [`${at(offsetOf(document, issue.path))}: ${issue.path.join('.')}: ${lowerFirst(message)}${got}`];
  }
  return issue.keys.map((key) => {
    const path = [...issue.path, key];
    const known = Object.keys(settingAt(configSchema, issue.path)?.shape ?? {});
    const likely = nearest(key, known);
    const hint = likely ? `did you mean "${likely}"?` : `known keys: ${known.join(', ')}`;
    return `${at(offsetOf(document, path))}: ${path.join('.')}: unknown key; ${hint}`;
  });
}

function lowerFirst(text: string): string {
  return text
    .replace(/^Invalid input: /, '')
    .replace(/, received (?!undefined|null)\w+$/, '')
    .replace(/^./, (first) => first.toLowerCase());
}

/** The value that was found, unless it is a secret, a map or absent. */
function receivedText(document: Document, path: readonly PropertyKey[]): string {
  const value: unknown = document.getIn(path as string[]);
  const shown = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  if (!shown || settingAt(configSchema, path)?.secret) return '';
  return `, got ${cutText(JSON.stringify(value), 60)}`;
}

/** The offset of the key of `path` in the text; the offset of its parent if the key is absent. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1) as string[], true);
    if (!isMap(parent)) continue;
    const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(path[length - 1]));
    if (pair && isScalar(pair.key)) return pair.key.range?.[0];
  }
  return 0;
}

/** The path of the innermost of these nested nodes: keys of maps, and places in lists. */
export function pathOf(nodes: readonly unknown[]): string[] {
  return nodes.flatMap((node, index) => {
    if (isSeq(node) && index + 1 < nodes.length) return [String(node.items.indexOf(nodes[index + 1]))];
    return isPair(node) && isScalar(node.key) ? [String(node.key.value)] : [];
  });
}

function originsOf(document: Document, lines: LineCounter): Map<string, number> {
  const origins = new Map<string, number>();
  visit(document, {
    Pair(_, pair, ancestors) {
      if (!isScalar(pair.key)) return;
      origins.set(pathOf([...ancestors, pair]).join('.'), lines.linePos(pair.key.range?.[0] ?? 0).line);
    },
  });
  return origins;
}

/**
 * Variables used in the sections with secrets of clawmesh. OpenClaw's own token is not one of them: its runs keep it.
 */
function secretVariables(document: Document, envText: EnvText): string[] {
  const names = new Set<string>();
  for (const section of ['redis', 'dashboard', 'hooks', 'alerts', 'delivery', 'security', 'telemetry']) {
    const node = document.get(section, true);
    if (!node) continue;
    visit(node as Parameters<typeof visit>[0], {
      Scalar(_, scalar) {
        if (typeof scalar.value !== 'string') return;
        for (const reference of envText.referencesIn(scalar.value)) names.add(reference.name);
      },
    });
  }
  return [...names];
}
