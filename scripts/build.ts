import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';

// Compiles src to dist and puts the Lua files beside the code that reads them.
rmSync('dist', { recursive: true, force: true });
execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
cpSync('src/redis/lua', 'dist/redis/lua', { recursive: true });
chmodSync('dist/cli/main.js', 0o755);
