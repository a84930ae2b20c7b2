import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { configSchema, type RedisConfig } from '../../src/config/schema.ts';
import { connectRedis, openRedis, type RedisTarget } from '../../src/redis/connection.ts';
import { Presence } from '../../src/registry/presence.ts';
import { meshPerTest } from '../support/pool.ts';
import { SpawnedRedis } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';

describe('a presence', () => {
  const mesh = meshPerTest('p');
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  beforeAll(() => process.on('unhandledRejection', note));
  afterAll(() => process.off('unhandledRejection', note));
  afterEach(() => unhandled.splice(0));

  const connected = async (target: RedisTarget) => {
    const subscriber = connectRedis(target, 'subscriber', 'test');
    await openRedis(subscriber, target);
    return subscriber;
  };

  it('returns after its connection was cut, and receives messages again', async () => {
    const { redis, target, keys } = mesh();
    const heard: string[] = [];
    const presence = new Presence(await connected(target), (message) => heard.push(message));
    const channel = `${keys.presenceChannels}mac-1~1`;
    await presence.show([channel]);
    await redis.client('KILL', 'TYPE', 'PUBSUB');
    await expect.poll(() => redis.publish(channel, 'beat')).toBe(1);
    await expect.poll(() => heard).toContain('beat');
    presence.hide();
  });

  it('can be hidden while it subscribes again, even if the connection is cut at that moment', async () => {
    const server = await SpawnedRedis.start();
    const proxy = await RedisProxy.start(server.port);
    const { redis: config } = configSchema.parse({ mesh: 'm', redis: { url: proxy.url } });
    const subscriber = await connected({ kind: 'shared', config: config as RedisConfig });
    const presence = new Presence(subscriber, () => {});
    await presence.show(['a-channel']);
    const ended = new Promise<void>((resolve) => subscriber.once('end', resolve));
    const cut = proxy.once('onRequest', /subscribe/i, () => {
      presence.hide();
      return 'cut';
    });
    subscriber.disconnect(true);
    await Promise.all([cut, ended]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
    await proxy.stop();
    await server.stop();
  });
});
