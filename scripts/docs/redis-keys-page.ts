import { KEY_TABLE } from '../../src/redis/key-table.ts';
import { page, table } from './markdown.ts';

export function redisKeysPage(): string {
  const rows = KEY_TABLE.map(({ keys, what, by, bound }) => {
    const names = Object.entries(keys).map(([key, type]) => `\`${key}\` (${type})`);
    return [names.join('<br>'), what, by, bound];
  });
  return page('Redis keys', 'src/redis/key-table.ts', [
    'All keys of a mesh begin with one hash tag, `{<prefix>:<mesh>}`, here `{…}`. `prefix` is `redis.prefix` in the config. Tasks',
    "are in BullMQ's layout, `{…}:<pool>:…`; all other keys begin with `{…}/`.",
    '',
    'Each change is one atomic script; [BullMQ programs](bullmq.md) says what other programs may do. *Producers* enqueue tasks:',
    'commands, and programs that use the library. Any node does the *sweep* for the whole mesh. About once a minute, one of the',
    'nodes also removes what has exceeded its bound. A node or pool is *forgotten* after 30 days without use.',
    '',
    ...table(['keys', 'meaning', 'written by', 'bound'], rows),
  ]);
}
