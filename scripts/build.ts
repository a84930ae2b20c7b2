import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

// Compiles src to dist, puts the Lua files beside the code that reads them, and makes one script of the dashboard's page.
rmSync('dist', { recursive: true, force: true });
execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
cpSync('src/redis/lua', 'dist/redis/lua', { recursive: true });
await buildPage();
chmodSync('dist/cli/main.js', 0o755);

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
