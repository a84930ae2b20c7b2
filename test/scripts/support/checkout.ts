import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emptyFolder } from '../../support/folders.ts';

const setup = fileURLToPath(new URL('../../../scripts/setup', import.meta.url));

/** What scripts/setup takes from the system; all other programs it finds are stand-ins. */
const TOOLS = ['cat', 'dirname', 'env', 'ln', 'mkdir', 'mv', 'readlink', 'rm', 'sed', 'sh', 'tar', 'touch'];
const SYSTEM_FOLDERS = ['/bin', '/usr/bin'];

/** The real npm and Node of this machine, not those that npm puts on PATH for its scripts. */
const systemPath = (process.env.PATH ?? '').split(':').filter((folder) => !folder.endsWith('/node_modules/.bin'));
const realNpm = systemPath.map((folder) => join(folder, 'npm')).find((file) => existsSync(file)) ?? 'npm';
const realNode = systemPath.map((folder) => join(folder, 'node')).find((file) => existsSync(file)) ?? process.execPath;

/** What `npm ci` does to a checkout without packages. */
const CLEAN_INSTALL = 'rm -rf node_modules && mkdir node_modules && touch node_modules/.package-lock.json';

/** A stand-in for Node that reports a version; everything else it is asked to run is logged, or run if `real`. */
export function nodeScript(version: string, log: string, real = false): string {
  return `case "$1" in
    -p) echo "${version} $0" ;;
    --version) echo v${version} ;;
    *) ${real ? `exec '${realNode}' "$@"` : `echo "node $*" >>'${log}'`} ;;
  esac`;
}

/** A checkout with nothing but what scripts/setup reads, and a PATH on which only stand-ins and basic tools are. */
export class Checkout {
  readonly base = emptyFolder();
  /** Tests run in a path that has to be quoted. */
  readonly folder = join(this.base, 'Bücher und Code', 'clawmesh');
  readonly home = join(this.base, 'home of Jörg');
  readonly programs = join(this.base, 'programs');
  readonly log = join(this.base, 'calls');
  readonly cachedNode = join(this.home, '.cache/clawmesh/node/24.21.0/node_modules/node/bin/node');
  readonly link = join(this.folder, 'node_modules/.bin/node');
  readonly lock = join(this.folder, 'package-lock.json');
  readonly #tools = join(this.base, 'tools');

  /** A Mac whose user has npm and a Redis server; its `node`, if it's to have one, is the caller's business. */
  constructor() {
    for (const folder of [join(this.folder, 'scripts'), this.home, this.programs, this.#tools]) {
      mkdirSync(folder, { recursive: true });
    }
    cpSync(setup, join(this.folder, 'scripts/setup'));
    this.depend({}, {});
    writeFileSync(join(this.folder, '.node-version'), '24.21.0\n');
    for (const tool of TOOLS) {
      const path = SYSTEM_FOLDERS.map((folder) => join(folder, tool)).find((file) => existsSync(file));
      if (path !== undefined) symlinkSync(path, join(this.#tools, tool));
    }
    this.program('uname', 'if [ "${1:-}" = -m ]; then echo arm64; else echo Darwin; fi');
    this.program('id', 'echo 501');
    this.program('redis-server', ':');
    this.npm();
  }

  /** Writes package.json and its lock file. */
  depend(dependencies: object, packages: object): void {
    const manifest = { name: 'checkout', version: '1.0.0', engines: { node: '>=24.16' }, ...dependencies };
    this.write('package.json', manifest);
    this.write('package-lock.json', { name: 'checkout', lockfileVersion: 3, packages: { '': manifest, ...packages } });
  }

  write(file: string, content: object): void {
    writeFileSync(join(this.folder, file), JSON.stringify(content));
  }

  /** Puts a stand-in on PATH, or at `path`; returns where it is. */
  program(name: string, script: string, path = join(this.programs, name)): string {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  node(version: string, path?: string): string {
    return this.program('node', nodeScript(version, this.log), path);
  }

  /** An npm that notes its calls and the Node it runs on. `install node@…` succeeds if a version is given for it. */
  npm(packaged?: string): void {
    const binary = join(this.base, 'packaged-node');
    if (packaged !== undefined) this.node(packaged, binary);
    this.program(
      'npm',
      `[ "$1" != --version ] || exit 0
      echo "npm $1 on $(node --version)" >>'${this.log}'
      case "$1" in
        ci) ${CLEAN_INSTALL} ;;
        install) mkdir -p node_modules/node/bin && mv '${binary}' node_modules/node/bin/node ;;
      esac`,
    );
  }

  /** The npm of this machine for one command, on a Node that passes for `version`; a stand-in for the others. */
  realNpm(command: 'ci' | 'install', version: string): void {
    this.program('node', nodeScript(version, this.log, true));
    this.program(
      'npm',
      `[ "$1" != --version ] || exit 0
      echo "npm $1" >>'${this.log}'
      case "$1" in
        ${command}) exec '${realNode}' '${realNpm}' "$@" ;;
        ci) ${CLEAN_INSTALL} ;;
      esac`,
    );
  }

  /** A Homebrew that refuses root, as the real one does; it can install `node@24` if `version` is given. */
  brew(options: { version?: string; installed?: boolean } = {}): string {
    const node = join(this.base, 'homebrew/opt/node@24/bin/node');
    const bottle = join(this.base, 'bottle');
    if (options.version !== undefined) this.node(options.version, options.installed ? node : bottle);
    mkdirSync(dirname(node), { recursive: true });
    this.program(
      'brew',
      `[ "$(id -u)" != 0 ] || [ -n "\${BREW_USER:-}" ] || { echo "Don't run this as root!" >&2; exit 1; }
      case "$1" in
        --prefix) echo '${dirname(dirname(node))}' ;;
        install)
          echo "brew $*\${BREW_USER:+ as $BREW_USER}" >>'${this.log}'
          [ "$2" != node@24 ] || mv '${bottle}' '${node}' ;;
      esac`,
    );
    return node;
  }

  /** Makes the caller root, started by `user` through sudo. */
  sudoFrom(user: string): NodeJS.ProcessEnv {
    this.program('id', 'echo 0');
    this.program('sudo', '[ "$1 $2" = "-H -u" ] || exit 1\nexport BREW_USER="$3"\nshift 3\nexec "$@"');
    return { SUDO_USER: user };
  }

  /** Runs scripts/setup from another folder, and returns what it printed and which programs it called. */
  setup(args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; stderr: string; calls: string[] }> {
    writeFileSync(this.log, '');
    return new Promise((resolve) => {
      execFile(
        join(this.folder, 'scripts/setup'),
        args,
        { cwd: this.base, env: { PATH: `${this.programs}:${this.#tools}`, HOME: this.home, ...env } },
        (error, _stdout, stderr) => {
          const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
          const calls = readFileSync(this.log, 'utf8').split('\n').filter(Boolean);
          resolve({ code, stderr, calls });
        },
      );
    });
  }

  /** PATH as npm sets it for the scripts of a package. */
  pathOfNpmScripts(): string {
    return `${dirname(this.link)}:${this.programs}:${this.#tools}`;
  }

  get linked(): string {
    return readlinkSync(this.link);
  }
}
