import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

// Bundles src into dist (a chunk for what each command loads), with the types, the Lua files and the dashboard's page.
// `--if-changed` does nothing when dist was built from the same inputs.
const STAMP = 'dist/.inputs';

/**
 * Packages that every command loads: in the bundle they come without the parts that are not used and without a search
 * for each of their files. All others stay what npm installs, so that there is one copy of each in a process.
 */
const BUNDLED = ['commander', 'execa', 'yaml', 'zod'];

const inputs = hashOfInputs();
if (!process.argv.includes('--if-changed') || !existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== inputs) {
  rmSync('dist', { recursive: true, force: true });
  execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
  await buildCode();
  for (const file of globSync('**/*.lua', { cwd: 'src' })) cpSync(`src/${file}`, `dist/${file}`);
  await buildPage();
  chmodSync('dist/cli/main.js', 0o755);
  writeFileSync(STAMP, inputs);
}

function hashOfInputs(): string {
  const hash = createHash('sha256');
  const files = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.ts'];
  const sources = globSync('src/**/*', { withFileTypes: true }).filter((entry) => entry.isFile());
  for (const file of [...files, ...sources.map(({ parentPath, name }) => `${parentPath}/${name}`).sort()]) {
    hash.update(`${file}\0`).update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

async function buildCode(): Promise<void> {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> };
  const { metafile } = await build({
    entryPoints: { 'cli/main': 'src/cli/main.ts', 'client/index': 'src/index.ts' },
    outdir: 'dist',
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node24',
    jsx: 'automatic',
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    external: Object.keys(dependencies).filter((name) => !BUNDLED.includes(name)),
    plugins: [ownAddresses()],
    // Packages in CommonJS ask for Node's own modules in this way.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
  });
  writeFileSync('dist/THIRD-PARTY.txt', notices(metafile));
}

/** A bundled module finds what lies beside its source: its address is its place in dist, from where all code is one folder down. */
function ownAddresses(): Plugin {
  return {
    name: 'own-addresses',
    setup({ onLoad }) {
      onLoad({ filter: /\.tsx?$/ }, ({ path }) => {
        const source = readFileSync(path, 'utf8');
        if (!source.includes('import.meta.url')) return undefined;
        const address = `new URL(${JSON.stringify(`../${relative(resolve('src'), path)}`)}, import.meta.url).href`;
        return { contents: source.replaceAll('import.meta.url', address), loader: path.endsWith('x') ? 'tsx' : 'ts' };
      });
    },
  };
}

/** The licences of what was bundled, which ask to be passed on with it. */
function notices({ inputs: files }: Metafile): string {
  const folders = Object.keys(files).flatMap((file) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []);
  return [...new Set(folders)]
    .sort()
    .map((folder) => {
      const licence = globSync(`${folder}/{LICEN[CS]E,licen[cs]e}*`)[0];
      if (!licence) throw new Error(`${folder} has no licence file`);
      return `${folder.replace('node_modules/', '')}\n\n${readFileSync(licence, 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}

async function buildPage(): Promise<void> {
  const [from, to] = ['src/ops/dashboard/page', 'dist/ops/dashboard/page'];
  for (const file of ['index.html', 'app.css', 'icon.svg']) cpSync(`${from}/${file}`, `${to}/${file}`);
  await build({
    entryPoints: [`${from}/app.tsx`],
    outfile: `${to}/app.js`,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
  });
}
