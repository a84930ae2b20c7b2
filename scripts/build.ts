import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

// Compiles src to dist, puts the Lua files beside the code that reads them, and bundles the dashboard's page.
// `--if-changed` does nothing when dist was built from the same inputs.
const STAMP = 'dist/.inputs';
const inputs = hashOfInputs();
if (!process.argv.includes('--if-changed') || !existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== inputs) {
  rmSync('dist', { recursive: true, force: true });
  execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
  cpSync('src/redis/lua', 'dist/redis/lua', { recursive: true });
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
