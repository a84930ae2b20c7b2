import { describe, expect, it } from 'vitest';
import { MESH_EVENTS, type MeshEventName } from '../../src/domain/mesh-event.ts';
import { EventLog } from '../../src/registry/event-log.ts';
import { luaFiles } from '../support/lua-files.ts';
import { meshPerTest } from '../support/pool.ts';

/** A call of the function in mesh-event.lua: the event, and names and values of its fields. */
const CALL = /meshEvent\(mesh, '([\w-]+)', [\w()]+, \{([^}]*)\}\)/g;

/** The calls in all scripts. */
function calls(): { readonly event: string; readonly fields: readonly string[] }[] {
  return [...luaFiles().values()].flatMap((text) =>
    [...text.matchAll(CALL)].map(([, event = '', fields = '']) => ({
      event,
      fields: [...fields.matchAll(/'(\w+)'/g)].map(([, name = '']) => name),
    })),
  );
}

/** What the scripts write, as `<event>: <fields>`; not every script sets all fields of an event. */
function written(): string[] {
  return [...Map.groupBy(calls(), ({ event }) => event)].map(
    ([event, all]) => `${event}: ${[...new Set(all.flatMap(({ fields }) => fields))].sort().join(' ')}`,
  );
}

const documented = (event: MeshEventName) => `${event}: ${[...MESH_EVENTS[event].fields].sort().join(' ')}`;

describe('the table of events', () => {
  const current = meshPerTest('e');

  it('has every event that a script writes, with its fields, and no other', () => {
    const all = [...luaFiles().values()].join('\n').match(/meshEvent\(mesh, (?!event, now, fields)/g) ?? [];
    expect(calls()).toHaveLength(all.length);
    const ofNodes: readonly string[] = ['gate-open', 'gate-closed'];
    const events = (Object.keys(MESH_EVENTS) as MeshEventName[]).filter((event) => !ofNodes.includes(event));
    expect(written().sort()).toEqual(events.map(documented).sort());
  });

  it('has the events that a node writes about its gates, with their fields', async () => {
    const { registry, redis, keys } = current();
    const gates = [true, false].map((open) => ({ name: 'auth', open, reason: 'refused', fix: 'log in' }));
    await registry.noteGates({ nodeId: 'mac-1', incarnation: 1 }, gates);
    const seen = (await new EventLog(redis, keys).newest({ limit: 2 })).map(({ id: _id, at: _at, event, ...rest }) => {
      const fields = Object.entries(rest).flatMap(([name, value]) => (value === null ? [] : [name]));
      return `${event}: ${fields.sort().join(' ')}`;
    });
    expect(seen).toEqual([documented('gate-open'), documented('gate-closed')]);
  });

  it('finds the newest events of a node among many others', async () => {
    const { registry, redis, keys } = current();
    const note = (nodeId: string, reason: string) =>
      registry.noteGates({ nodeId, incarnation: 1 }, [{ name: 'auth', open: false, reason, fix: 'x' }]);
    for (const reason of ['first', 'second', 'third']) await note('mac-1', reason);
    const others = redis.pipeline();
    for (let n = 0; n < 2_500; n++) others.xadd(keys.events, '*', 'at', '1', 'event', 'node-up', 'node', 'mac-2');
    await others.exec();
    const reasons = async (limit: number, node = 'mac-1') =>
      (await new EventLog(redis, keys).newest({ node, limit })).map(({ reason }) => reason);
    expect(await reasons(2)).toEqual(['second', 'third']);
    expect(await reasons(10)).toEqual(['first', 'second', 'third']);
    expect(await reasons(10, 'mac-3')).toEqual([]);
  });
});
