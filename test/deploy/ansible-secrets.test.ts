import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const roles = join(import.meta.dirname, '../../deploy/ansible/roles');

interface Task {
  readonly [key: string]: unknown;
}

/** All tasks and handlers of all roles, those in blocks included, with the file that they are in. */
const tasks = readdirSync(roles, { recursive: true, encoding: 'utf8' })
  .filter((file) => /(tasks|handlers)\/[^/]+\.yml$/.test(file))
  .flatMap((file) => flat(parse(readFileSync(join(roles, file), 'utf8'))).map((task) => ({ file, task })));

function flat(list: unknown): Task[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((task: Task) => [task, ...flat(task.block), ...flat(task.rescue), ...flat(task.always)]);
}

/** A variable that is a password, or has one in it. */
const SECRET = /_password\b|_secrets?\b|_login\b|REDISCLI_AUTH/;
const mentions = (value: unknown) => SECRET.test(JSON.stringify(value ?? ''));

describe('a password that Ansible has', () => {
  it('keeps every password out of the environment of a task, which Ansible puts on a command line', () => {
    expect(tasks.length).toBeGreaterThan(50);
    expect(tasks.filter(({ task }) => mentions(task.environment)).map(({ file, task }) => [file, task.name])).toEqual(
      [],
    );
  });

  it('keeps every password out of the arguments of a command', () => {
    const told = tasks.filter(({ task }) => {
      const command = task['ansible.builtin.command'] ?? task['ansible.builtin.shell'];
      if (typeof command !== 'object' || command === null) return mentions(command);
      return mentions({ ...command, stdin: undefined, loop: task.loop });
    });
    expect(told.map(({ file, task }) => [file, task.name])).toEqual([]);
  });

  it('keeps every password out of the log of a task that has it', () => {
    const loose = tasks.filter(({ task }) => {
      // A failed assertion tells its expression, and no value.
      const { name: _name, when: _when, 'ansible.builtin.assert': _assert, ...rest } = task;
      const files = ['users.acl', 'managed.conf', 'sentinel.conf', 'clawmesh.env'];
      const writes = files.some((file) =>
        JSON.stringify(task['ansible.builtin.template'] ?? '').includes(`${file}.j2`),
      );
      return (writes || mentions({ ...rest, block: undefined, rescue: undefined, always: undefined })) && !task.no_log;
    });
    expect(loose.map(({ file, task }) => [file, task.name])).toEqual([]);
  });
});
