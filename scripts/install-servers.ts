import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

// The servers that `npm run test:all servers` runs on, from other releases of Debian, beside the system and without
// containers: each with its own libraries and loader in a folder of the cache.

export interface TestServer {
  readonly name: string;
  /** Takes redis-server's arguments. */
  readonly program: string;
}

interface Source {
  readonly name: string;
  readonly suite: string;
  readonly packageName: string;
  readonly binary: string;
}

const SOURCES: readonly Source[] = [
  { name: 'Redis 6.0', suite: 'bullseye', packageName: 'redis-server', binary: 'redis-server' },
  { name: 'Redis 7.0', suite: 'bookworm', packageName: 'redis-server', binary: 'redis-server' },
  { name: 'Redis 8.0', suite: 'trixie', packageName: 'redis-server', binary: 'redis-server' },
  { name: 'Valkey 8.1', suite: 'trixie', packageName: 'valkey-server', binary: 'valkey-server' },
];

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'clawmesh', 'servers');
const folderOf = ({ suite, packageName }: Source) => join(cache, `${suite}-${packageName}`);
const wrapperOf = (source: Source) => join(folderOf(source), 'server');

/** The servers that have been installed. */
export function testServers(): TestServer[] {
  return SOURCES.map((source) => ({ name: source.name, program: wrapperOf(source) })).filter(({ program }) =>
    existsSync(program),
  );
}

function install(source: Source): void {
  console.error(`setup: getting ${source.name} from Debian ${source.suite}`);
  const final = folderOf(source);
  const fresh = `${final}.new`;
  for (const folder of [final, fresh]) rmSync(folder, { recursive: true, force: true });
  const apt = join(fresh, 'apt');
  for (const folder of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(apt, folder), { recursive: true });
  writeFileSync(join(apt, 'status'), '');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const signed = existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
  writeFileSync(join(apt, 'sources.list'), `deb ${signed}${mirror()} ${source.suite} main\n`);
  const options = [
    `Dir::Etc::sourcelist=${join(apt, 'sources.list')}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${join(apt, 'lists')}`,
    `Dir::State::status=${join(apt, 'status')}`,
    `Dir::Cache=${join(apt, 'cache')}`,
    'APT::Install-Recommends=false',
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  const quiet: ExecFileSyncOptions = { stdio: ['ignore', 'ignore', 'inherit'] };
  execFileSync('apt-get', [...options, '-qq', 'update'], quiet);
  // The status file is empty, so that libc and everything else comes along.
  execFileSync('apt-get', [...options, '-qq', '-y', '--download-only', 'install', source.packageName], quiet);
  const archives = join(apt, 'cache', 'archives');
  for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
    execFileSync('dpkg', ['-x', join(archives, file), fresh], quiet);
  }
  rmSync(apt, { recursive: true });
  writeFileSync(join(fresh, 'server'), wrapper(source));
  chmodSync(join(fresh, 'server'), 0o755);
  execFileSync(join(fresh, 'server'), ['--version'], quiet);
  renameSync(fresh, final);
}

/** Runs the server with the loader and the libraries of its own release; `exec`, so that signals reach it. */
function wrapper({ binary }: Source): string {
  return `#!/bin/sh
root=$(dirname "$0")
for loader in "$root"/lib/*-linux-gnu/ld-linux*.so.* "$root"/usr/lib/*-linux-gnu/ld-linux*.so.* "$root"/usr/lib64/ld-linux*.so.*; do
  [ ! -e "$loader" ] || break
done
libraries=$(ls -d "$root"/lib/*-linux-gnu "$root"/usr/lib/*-linux-gnu 2>/dev/null | tr '\\n' ':')
# Redis 6.0 of Debian loads cjson and others as modules of the system's Lua.
for lua in "$root"/usr/lib/*-linux-gnu/lua/5.1; do export LUA_CPATH="$lua/?.so"; done
exec "$loader" --library-path "$libraries" "$root/usr/bin/${binary}" "$@"
`;
}

/** Where this machine gets its Debian packages. */
function mirror(): string {
  const files = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].filter((file) => existsSync(file));
  for (const file of files) {
    const [, found] = /^(?:URIs:|deb(?: \[[^\]]*\])?) *(\S+)/m.exec(readFileSync(file, 'utf8')) ?? [];
    if (found) return found;
  }
  throw new Error('no Debian mirror in /etc/apt; the servers come from there');
}

if (import.meta.main) for (const source of SOURCES) if (!existsSync(wrapperOf(source))) install(source);
