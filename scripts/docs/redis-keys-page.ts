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
    'Only clawmesh may write them: each change is one atomic script. One of the nodes removes what belongs to no node, about once a',
    'minute. A node or pool is *forgotten* after 30 days without use. The *sweep* is done by any node, for the whole mesh.',
    '',
    ...table(['keys', 'meaning', 'written by', 'bound'], rows),
  ]);
}
