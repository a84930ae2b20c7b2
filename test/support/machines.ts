import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { findProgram } from '../../src/platform/find-program.ts';
import { emptyFolder } from './folders.ts';
import { reservePort } from './ports.ts';

const USER = 'clawmesh';
const PACKAGES =
  'systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,openssh-server,python3,sudo,ca-certificates';
const IMAGE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'clawmesh-machine-2');

/** A Debian of its own with systemd as its first process and an ssh server, as a fresh machine is; only the network is shared. */
export interface Machine {
  readonly name: string;
  readonly sshPort: number;
  /** The machine's file system, seen from outside. */
  readonly root: string;
}

/** Some fresh machines on this one. Takes root. */
export class Machines {
  readonly all: readonly Machine[];
  readonly key: string;
  readonly #processes: ChildProcess[] = [];

  private constructor(all: readonly Machine[], key: string) {
    this.all = all;
    this.key = key;
  }

  static async start(names: readonly string[]): Promise<Machines> {
    makeImage();
    const folder = emptyFolder();
    const key = join(folder, 'id');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const all: Machine[] = [];
    for (const name of names) {
      const [upper, work, root] = ['upper', 'work', 'root'].map((part) => join(folder, name, part)) as [
        string,
        string,
        string,
      ];
      for (const part of [upper, work, root]) mkdirSync(part, { recursive: true });
      execFileSync('mount', [
        '-t',
        'overlay',
        'overlay',
        '-o',
        `lowerdir=${IMAGE},upperdir=${upper},workdir=${work}`,
        root,
      ]);
      all.push({ name, sshPort: await reservePort(), root });
    }
    const machines = new Machines(all, key);
    try {
      for (const machine of all) machines.#boot(machine);
      await Promise.all(all.map((machine) => machines.#reachable(machine)));
    } catch (error) {
      await machines.stop();
      throw error;
    }
    return machines;
  }

  /** Runs a command there as its user, as a person does. @throws Error where it fails. */
  run(machine: Machine, command: string): string {
    return execFileSync('ssh', [...this.sshOptions, '-p', `${machine.sshPort}`, `${USER}@127.0.0.1`, command], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
  }

  get sshOptions(): string[] {
    return [
      '-i',
      this.key,
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'LogLevel=ERROR',
    ];
  }

  async stop(): Promise<void> {
    // With its first process all of a machine ends; systemd-nspawn alone would leave it running.
    for (const { pid } of this.#processes) {
      const first = existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
      if (first) process.kill(Number(first.split(' ')[0]), 'SIGKILL');
    }
    await vi.waitUntil(
      () => this.#processes.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null),
      { timeout: 10_000 },
    );
    for (const { root } of this.all) execFileSync('umount', ['-l', root]);
  }

  #boot({ name, sshPort, root }: Machine): void {
    const file = (path: string, text: string) => writeFileSync(join(root, path), text);
    file('etc/hostname', `${name}\n`);
    file('etc/hosts', `127.0.0.1 localhost ${name}\n`);
    file('etc/ssh/sshd_config.d/test.conf', `Port ${sshPort}\nListenAddress 127.0.0.1\nPasswordAuthentication no\n`);
    mkdirSync(join(root, 'home', USER, '.ssh'), { recursive: true });
    file(`home/${USER}/.ssh/authorized_keys`, readFileSync(`${this.key}.pub`, 'utf8'));
    execFileSync('chroot', [root, 'sh', '-c', `chown -R ${USER}: /home/${USER} && ssh-keygen -q -A`]);
    const options = ['--quiet', '--register=no', '--keep-unit', '--boot', '--console=pipe', `--machine=${name}`];
    // The npm of this machine, as if an administrator had installed one there.
    const npm = realpathSync(findProgram(['npm'], process.env) ?? 'npm');
    const binds = [
      `--bind-ro=${process.execPath}:/usr/local/bin/node`,
      `--bind-ro=${join(npm, '../..')}:/usr/local/lib/node_modules/npm`,
    ];
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
    // A control group of its own, or one machine's systemd would stop services of the same name on the others.
    const groups = ['systemd', 'unified', '.'].map((part) => join('/sys/fs/cgroup', part));
    const own = groups
      .filter((path) => existsSync(join(path, 'cgroup.procs')))
      .map((path) => join(path, `${name}-${process.pid}`));
    for (const group of own) mkdirSync(group, { recursive: true });
    const enter =
      'for group in $CLAWMESH_GROUPS; do echo $$ > $group/cgroup.procs || exit 1; done; exec systemd-nspawn "$@"';
    const child = spawn('sh', ['-c', enter, 'sh', ...options, ...binds, `--directory=${root}`], {
      stdio: 'ignore',
      detached: true,
      env: { ...process.env, CLAWMESH_GROUPS: own.join(' ') },
    });
    this.#processes.push(child);
  }

  async #reachable(machine: Machine): Promise<void> {
    const isUp = () => {
      try {
        const states = this.run(
          machine,
          'systemctl is-system-running --wait; systemctl --user is-system-running; true',
        );
        return /^(running|degraded)\n(running|degraded)\n$/.test(states);
      } catch {
        return false;
      }
    };
    await vi.waitUntil(isUp, { timeout: 60_000, interval: 500 });
  }
}

/** What all machines have in common, made once. */
function makeImage(): void {
  if (existsSync(IMAGE)) return;
  const fresh = `${IMAGE}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const sources = '/etc/apt/sources.list.d/debian.sources';
  const [, mirror] = (existsSync(sources) && /^URIs: *(\S+)/m.exec(readFileSync(sources, 'utf8'))) || [];
  execFileSync(
    'debootstrap',
    ['--variant=minbase', `--include=${PACKAGES}`, 'bookworm', fresh, ...(mirror ? [mirror] : [])],
    {
      stdio: 'ignore',
    },
  );
  // How this machine reaches its registries.
  for (const path of [
    '/etc/apt/sources.list.d',
    '/etc/apt/apt.conf.d',
    '/etc/ssl/certs',
    '/usr/local/etc',
    '/etc/resolv.conf',
  ]) {
    if (existsSync(path)) cpSync(path, join(fresh, path), { recursive: true, force: true });
  }
  rmSync(join(fresh, 'etc/apt/sources.list'), { force: true });
  execFileSync('chroot', [fresh, 'useradd', '--create-home', '--shell', '/bin/bash', USER]);
  if (existsSync(join(homedir(), '.npmrc'))) cpSync(join(homedir(), '.npmrc'), join(fresh, 'home', USER, '.npmrc'));
  appendFileSync(join(fresh, 'etc/sudoers'), `${USER} ALL=(ALL) NOPASSWD: ALL\n`);
  execFileSync('chroot', [fresh, 'apt-get', 'update', '-qq'], { stdio: 'ignore' });
  renameSync(fresh, IMAGE);
}
