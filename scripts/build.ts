import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { relative, resolve } from 'node:path';
import { build, type Plugin, type RolldownOutput } from 'rolldown';
import { isShipped } from './shipped-packages.ts';

// Bundles src into dist (a chunk for what each command loads), with the types and the dashboard's page, and the plugin
// for OpenClaw into its own dist. `--if-changed` does nothing when dist was built from the same inputs.
const STAMP = 'dist/.inputs';

/** The page of bull-board, which its code reads. */
const BOARD_PAGE = 'node_modules/@bull-board/ui/dist';

/** Their types are part of the library's, so npm installs them; the bundle contains what clawmesh uses of them. */
const TYPES_ONLY = ['ioredis', 'zod'];

/** Developer tools of Ink, and colors in the debug output of ioredis: optional parts of packages in the bundle. */
const NOT_NEEDED = ['react-devtools-core', 'supports-color'];

/** Code that runs before all other, and tells the user of a Node.js that is too old for the rest. */
const EARLY = /src\/cli\/(?:main|streams|version)\.ts$/;

/**
 * Modules that are loaded together, in one chunk with everything that they import. To find and read a chunk for each of
 * them would take longer. All other modules share chunks as rolldown decides.
 */
const CHUNKS = [
  { name: 'early', test: /src\/cli\/(?:streams|version)\.ts$/, priority: 4 },
  { name: 'program', test: /src\/(?:cli\/(?:program|context)|domain\/.*)\.ts$/, priority: 3 },
  { name: 'commands', test: /src\/cli\/commands\//, priority: 2 },
  { name: 'client', test: /src\/(?:client\/mesh|config\/load|redis\/target)\.ts$/, priority: 1 },
];

const inputs = hashOfInputs();
if (!process.argv.includes('--if-changed') || !existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== inputs) {
  rmSync('dist', { recursive: true, force: true });
  execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
  const parts = [await buildCode(), await buildPage()];
  writeFileSync('dist/THIRD-PARTY.txt', notices(parts));
  await buildOpenClawPlugin();
  chmodSync('dist/cli/main.js', 0o755);
  writeFileSync(STAMP, inputs);
}

function hashOfInputs(): string {
  const hash = createHash('sha256');
  const scripts = ['scripts/build.ts', 'scripts/shipped-packages.ts'];
  const files = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', ...scripts];
  const sources = globSync(['src/**/*', 'openclaw-plugin/src/**/*'], { withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  for (const file of [...files, ...sources.map(({ parentPath, name }) => `${parentPath}/${name}`).sort()]) {
    hash.update(`${file}\0`).update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

async function buildCode(): Promise<RolldownOutput> {
  const output = await build({
    input: { 'cli/main': 'src/cli/main.ts', 'client/index': 'src/index.ts' },
    platform: 'node',
    external: outside(),
    transform: { target: 'node24', jsx: 'react-jsx', define: { 'process.env.NODE_ENV': '"production"' } },
    plugins: [builtinModules(), luaTexts(), ownAddresses()],
    // `client/mesh.ts` may import a module later that the daemon imports at once; bull-board has an `eval` for other uses.
    checks: { ineffectiveDynamicImport: false, eval: false },
    output: {
      dir: 'dist',
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'chunks/[name]-[hash].js',
      codeSplitting: { groups: CHUNKS },
      comments: { legal: true, annotation: false, jsdoc: false },
      sourcemap: true,
      sourcemapExcludeSources: true,
    },
  });
  cpSync(BOARD_PAGE, 'dist/ops/dashboard/board/dist', { recursive: true });
  return output;
}

/** OpenClaw installs plugins without their own copy of clawmesh, so everything is in the bundle. */
async function buildOpenClawPlugin(): Promise<void> {
  rmSync('openclaw-plugin/dist', { recursive: true, force: true });
  const output = await build({
    input: { index: 'openclaw-plugin/src/index.ts' },
    platform: 'node',
    external: NOT_NEEDED,
    transform: { target: 'node24', define: { 'process.env.NODE_ENV': '"production"' } },
    plugins: [luaTexts()],
    checks: { ineffectiveDynamicImport: false, eval: false },
    output: {
      dir: 'openclaw-plugin/dist',
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'chunks/[name]-[hash].js',
      comments: { legal: true, annotation: false, jsdoc: false },
    },
  });
  writeFileSync('openclaw-plugin/dist/THIRD-PARTY.txt', notices([output]));
}

/** The packages that stay outside: those that npm installs, unless their types alone are why it does. */
function outside(): RegExp[] {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> };
  const names = Object.keys(dependencies).filter((name) => !TYPES_ONLY.includes(name));
  return [...names, ...NOT_NEEDED].map((name) => new RegExp(`^${name}(?:/|$)`));
}

/**
 * Fetches Node's own modules by a call. An `import` would read each of their exports, and so load parts that no command
 * uses. ioredis gets TLS only when it connects with TLS, since that takes as long to load as half of a bare Node.
 */
function builtinModules(): Plugin {
  const mark = '\0builtin:';
  const lazyTls = '\0lazy-tls';
  return {
    name: 'builtin-modules',
    resolveId: (id, importer = '') => {
      if (!isBuiltin(id) || EARLY.test(importer) || importer.includes('rolldown/runtime')) return null;
      const name = id.replace(/^node:/, '');
      return name === 'tls' && importer.includes('/ioredis/') ? lazyTls : mark + name;
    },
    load: (id) => {
      const moduleType = 'js';
      if (id === lazyTls) {
        return { code: "exports.connect = (...args) => process.getBuiltinModule('tls').connect(...args);", moduleType };
      }
      if (!id.startsWith(mark)) return null;
      return { code: `module.exports = process.getBuiltinModule('node:${id.slice(mark.length)}');`, moduleType };
    },
  };
}

/** Puts the texts of all scripts in the place of the module that reads their files. */
function luaTexts(): Plugin {
  return {
    name: 'lua-texts',
    load: {
      filter: { id: /src\/redis\/lua-files\.ts$/ },
      handler: () => {
        const names = globSync('**/*.lua', { cwd: 'src' }).sort();
        const texts = Object.fromEntries(names.map((name) => [name, readFileSync(`src/${name}`, 'utf8')]));
        return { code: `const texts = ${JSON.stringify(texts)};\nexport const luaFile = (name) => texts[name];\n` };
      },
    },
  };
}

/** A bundled module finds what lies beside its source: its address is its place in dist, from where all code is one folder down. */
function ownAddresses(): Plugin {
  return {
    name: 'own-addresses',
    transform: {
      filter: { id: /\/src\/.*\.tsx?$/, code: 'import.meta.url' },
      handler: (code, id) => {
        const address = `new URL(${JSON.stringify(`../${relative(resolve('src'), id)}`)}, import.meta.url).href`;
        return { code: code.replaceAll('import.meta.url', address), map: null };
      },
    },
  };
}

/** The licences of what was bundled, which ask to be passed on with it. */
function notices(parts: readonly RolldownOutput[]): string {
  const files = parts.flatMap(({ output }) => output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : [])));
  const folders = [resolve(BOARD_PAGE), ...files].flatMap(
    (file) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? [],
  );
  return [...new Set(folders)]
    .sort()
    .map(noticeOf)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

function noticeOf(folder: string): string {
  const about = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
  if (!isShipped(relative('.', folder))) throw new Error(`${about.name} is not in scripts/shipped-packages.ts`);
  const file = globSync(`${folder}/{LICEN[CS]E,licen[cs]e}*`)[0];
  const source = about.homepage ?? about.repository?.url ?? about.repository;
  const text = file ? readFileSync(file, 'utf8').trim() : `${about.license} license, by its package.json; ${source}`;
  return `${about.name} ${about.version}\n\n${text}\n`;
}

async function buildPage(): Promise<RolldownOutput> {
  const [from, to] = ['src/ops/dashboard/page', 'dist/ops/dashboard/page'];
  const output = await build({
    input: `${from}/app.tsx`,
    platform: 'browser',
    transform: { target: 'es2022' },
    output: { file: `${to}/app.js`, format: 'esm', minify: true },
  });
  for (const file of ['index.html', 'app.css', 'icon.svg']) cpSync(`${from}/${file}`, `${to}/${file}`);
  return output;
}
