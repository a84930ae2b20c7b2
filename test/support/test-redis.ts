import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { redisProgram, SpawnedRedis } from './redis.ts';

/** A Redis to test against, however it runs. */
export interface TestRedis {
  readonly url: string;
  stop(): Promise<void>;
}

/** A process of this machine; in the group `containers` one in a container. */
export async function startRedis(): Promise<TestRedis> {
  if (!process.env.CLAWMESH_TEST_CONTAINER) return SpawnedRedis.start();
  const { GenericContainer, Wait } = await import('testcontainers');
  process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
  const container = await new GenericContainer(redisImage())
    .withExposedPorts(6379)
    .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
    .withCommand(['redis-server', '--bind', '0.0.0.0', '--protected-mode', 'no', '--appendonly', 'yes'])
    .start();
  return {
    url: `redis://127.0.0.1:${container.getMappedPort(6379)}`,
    stop: async () => {
      await container.stop();
    },
  };
}

/** The image named by the environment; else one made from the installed server, since none can be pulled here. */
function redisImage(): string {
  const named = process.env.CLAWMESH_TEST_REDIS_IMAGE;
  if (named) return named;
  const image = 'clawmesh-test/redis:local';
  if (spawnSync('docker', ['image', 'inspect', image], { stdio: 'ignore' }).status === 0) return image;
  const root = mkdtempSync(join(tmpdir(), 'clawmesh-image-'));
  const program = realpathSync(redisProgram());
  const libraries = execFileSync('ldd', [program, '/bin/sh'], { encoding: 'utf8' });
  const files = new Set([...libraries.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] as string));
  const copy = (from: string, to: string) => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(from, join(root, to));
  };
  for (const file of files) copy(file, file);
  copy(program, '/usr/bin/redis-server');
  copy('/bin/sh', '/bin/sh');
  mkdirSync(join(root, 'tmp'));
  execFileSync(
    'sh',
    ['-c', `tar -C '${root}' -c . | docker import --change 'WORKDIR /tmp' --change 'EXPOSE 6379' - ${image}`],
    {
      stdio: 'ignore',
    },
  );
  rmSync(root, { recursive: true });
  return image;
}
