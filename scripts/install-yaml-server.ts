import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { YAML_SERVER_VERSION, yamlServerBin, yamlServerFolder } from '../test/support/yaml-server-paths.ts';

// Puts the pinned language server for YAML into a cache folder outside node_modules: only one test needs it.
if (!existsSync(yamlServerBin)) {
  console.error(`setup: installing yaml-language-server ${YAML_SERVER_VERSION} (21 MB)`);
  const fresh = `${yamlServerFolder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const options = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'];
  execFileSync('npm', ['install', '--prefix', fresh, ...options, `yaml-language-server@${YAML_SERVER_VERSION}`], {
    stdio: 'inherit',
    cwd: fresh,
  });
  mkdirSync(dirname(yamlServerFolder), { recursive: true });
  rmSync(yamlServerFolder, { recursive: true, force: true });
  renameSync(fresh, yamlServerFolder);
}
