import { execFile } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configEnvironment } from '../../../src/config/env-file.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { emptyFolder } from '../../support/folders.ts';

const roles = join(import.meta.dirname, '../../../deploy/ansible/roles');

/** What Ansible makes of an inventory on this machine alone: the files that it would write on a node, or why it refuses. */
describe('a value in an inventory', () => {
  const rendered = async (inventory: string): Promise<{ folder: string; output: string; code: number }> => {
    const folder = emptyFolder();
    const template = (name: string) => ({
      'ansible.builtin.template': { src: `${roles}/clawmesh/templates/${name}.j2`, dest: join(folder, name) },
    });
    const play = {
      hosts: 'nodes',
      connection: 'local',
      gather_facts: false,
      tasks: [
        { 'ansible.builtin.include_role': { name: 'clawmesh', tasks_from: 'check', public: true } },
        template('clawmesh.yaml'),
        template('clawmesh.env'),
      ],
    };
    writeFileSync(join(folder, 'play.yml'), JSON.stringify([play]));
    writeFileSync(join(folder, 'hosts.yml'), inventory);
    const env = { ...process.env, ANSIBLE_ROLES_PATH: roles, ANSIBLE_NOCOLOR: '1' };
    return new Promise((resolve) => {
      execFile('ansible-playbook', ['-i', 'hosts.yml', 'play.yml'], { cwd: folder, env }, (error, stdout, stderr) =>
        resolve({ folder, output: stdout + stderr, code: error ? 1 : 0 }),
      );
    });
  };
  const inventory = (changed: Record<string, string> = {}) => {
    const values = {
      version: '0.1.0',
      openclaw: '2026.9.6',
      mesh: 'lab',
      labels: '{a: "26"}',
      secrets: '{A: x}',
      ...changed,
    };
    return `all:
  vars:
    clawmesh_version: ${values.version}
    openclaw_version: ${values.openclaw}
    clawmesh_config: {mesh: ${values.mesh}, redis: {url: "redis://h:6379/0", password: "\${S0:-none}"}}
    clawmesh_secrets: ${values.secrets}
  children:
    nodes: {hosts: {mac-1: {clawmesh_node: {labels: ${values.labels}}}}}
`;
  };

  it('passes an inventory value to the node as written in quotes, whatever YAML would make of it', async () => {
    const texts = ['26.10', '007', '1e10', '0o17', '0x1f', '1_000', 'yes', 'null', '2026-11-27', 'v1'];
    const labels = Object.fromEntries(texts.map((text, index) => [`l${index}`, text]));
    const secrets = Object.fromEntries(
      ["it's", 'a "b" c', 'a#b #c', '\'"`', 'it\'s \\ "b" $HOME `x`', '\\n', '12345', 'é😀', ' x ', '\\'].map(
        (secret, index) => [`S${index}`, secret],
      ),
    );
    const { folder, output, code } = await rendered(
      inventory({
        labels: JSON.stringify(labels),
        secrets: JSON.stringify(secrets),
        openclaw: '"1.10"',
        mesh: '"007"',
      }),
    );
    expect(code, output).toBe(0);
    chmodSync(join(folder, 'clawmesh.env'), 0o600);
    const file = join(folder, 'clawmesh.yaml');
    expect(configEnvironment(file, {})).toEqual(secrets);
    const { config } = loadConfig({ file, env: {} });
    expect(config.nodes['mac-1']?.labels).toEqual(labels);
    expect(config).toMatchObject({ mesh: '007', openclaw: { version: '1.10' }, redis: { password: "it's" } });
  });

  it.each<Record<string, string>>([
    { labels: '{a: 26.10}' },
    { labels: '{a: x, b: 1:30}' },
    { labels: '{a: yes}' },
    { openclaw: '2026.10' },
    { version: '1.0' },
    { mesh: '007' },
    { secrets: '{S0: 0123456}' },
  ])('refuses an inventory value that YAML has made a number: %j', async (changed) => {
    const { output, code } = await rendered(inventory(changed));
    expect(code).toBe(1);
    expect(output).toMatch(/Check that (texts are texts|there is all that a mesh needs)/);
    expect(output).not.toContain('42798');
  });
});
