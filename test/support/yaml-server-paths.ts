import { homedir } from 'node:os';
import { join } from 'node:path';

/** The language server behind the YAML support of most editors. */
export const YAML_SERVER_VERSION = '2.0.0';

/** Where `scripts/setup shells` puts it. */
export const yamlServerFolder = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'clawmesh',
  'yaml-language-server',
  YAML_SERVER_VERSION,
);
export const yamlServerBin = join(yamlServerFolder, 'node_modules', '.bin', 'yaml-language-server');
