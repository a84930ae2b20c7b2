import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { emptyFolder } from '../../support/folders.ts';

export interface Registry extends AsyncDisposable {
  /** Makes a real npm use this registry and nothing of the machine's configuration. */
  readonly env: NodeJS.ProcessEnv;
  readonly url: string;
  /** Paths of the packages that were asked for and are not here. */
  readonly missing: string[];
}

interface Package {
  readonly name: string;
  readonly version: string;
  readonly [key: string]: unknown;
}

/** An npm registry with a single package, whose files are all executable. */
export async function startRegistry(manifest: Package, files: Record<string, string> = {}): Promise<Registry> {
  const tarball = pack(manifest, files);
  const missing: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    if (path === `/${manifest.name}.tgz`) return response.end(tarball);
    if (path === `/${manifest.name}`) {
      const dist = { tarball: `${url()}/${manifest.name}.tgz` };
      const versions = { [manifest.version]: { ...manifest, dist } };
      return response.end(JSON.stringify({ name: manifest.name, 'dist-tags': { latest: manifest.version }, versions }));
    }
    missing.push(path);
    return response.writeHead(404).end('{}');
  });
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const folder = emptyFolder();
  return {
    env: {
      npm_config_registry: url(),
      npm_config_cache: join(folder, 'cache'),
      npm_config_userconfig: join(folder, 'npmrc'),
      npm_config_update_notifier: 'false',
      npm_config_fetch_retries: '0',
    },
    url: url(),
    missing,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function pack(manifest: Package, files: Record<string, string>): Buffer {
  const folder = emptyFolder();
  mkdirSync(join(folder, 'package/bin'), { recursive: true });
  writeFileSync(join(folder, 'package/package.json'), JSON.stringify(manifest));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, 'package', file), text, { mode: 0o755 });
  execFileSync('tar', ['-czf', 'package.tgz', 'package'], { cwd: folder });
  return readFileSync(join(folder, 'package.tgz'));
}
