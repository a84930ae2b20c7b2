import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { OPENCLAW_VERSION, openclawEntry, openclawFolder } from '../test/support/openclaw-paths.ts';

// Puts the pinned OpenClaw into a cache folder outside node_modules: it's 768 MB and only the end-to-end tests need it.
if (!existsSync(openclawEntry)) {
  console.error(`setup: installing openclaw ${OPENCLAW_VERSION} (768 MB, half a minute)`);
  const fresh = `${openclawFolder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  execFileSync(
    'npm',
    ['install', '--prefix', fresh, '--no-audit', '--no-fund', '--loglevel=error', `openclaw@${OPENCLAW_VERSION}`],
    {
      stdio: 'inherit',
      cwd: fresh,
    },
  );
  mkdirSync(dirname(openclawFolder), { recursive: true });
  rmSync(openclawFolder, { recursive: true, force: true });
  renameSync(fresh, openclawFolder);
}
