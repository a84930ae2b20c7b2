import { meshesFile } from '../../src/cli/named-meshes.ts';
import { ENVIRONMENT } from '../../src/config/environment.ts';
import { configCandidates } from '../../src/config/load.ts';
import { configSchema } from '../../src/config/schema.ts';
import { STATE_FILES, stateFile } from '../../src/config/state-files.ts';
import { RUN_VARIABLES } from '../../src/domain/run-variables.ts';
import { LOG_FOLDERS, NODE_LOG, PRINTED_LOG } from '../../src/ops/service/definition.ts';
import { Launchd, NEWSYSLOG } from '../../src/ops/service/launchd.ts';
import { Systemd } from '../../src/ops/service/systemd.ts';
import { page, table } from './markdown.ts';

/** The environment of a user whose home folder is shown as `~`. */
const env = { HOME: '/~' };
const shown = (path: string) => `\`${path.replace('/~', '~')}\``;

export function environmentPage(): string {
  return page('Environment variables', 'src/config/environment.ts and src/domain/run-variables.ts', [
    '## Of clawmesh',
    '',
    ...table(
      ['variable', 'meaning', 'otherwise'],
      Object.entries(ENVIRONMENT).map(([name, { means, otherwise }]) => [`\`${name}\``, means, otherwise]),
    ),
    '',
    'A [config](config.md) may refer to any others, as `${NAME}`. The file of secrets supplies those that the environment does not.',
    '',
    '## Of an exec run',
    '',
    'The processes of a run inherit the environment of the daemon without the secrets of clawmesh, and get:',
    '',
    ...table(
      ['variable', 'meaning'],
      Object.entries(RUN_VARIABLES).map(([name, means]) => [`\`${name}\``, means]),
    ),
  ]);
}

export function filesPage(): string {
  const state = Object.entries(STATE_FILES).map(([name, { means }]) => {
    const of = { mesh: '<mesh>', nodeId: '<node id>', meshId: '<mesh id>' };
    return [shown(stateFile(name as keyof typeof STATE_FILES, of, env)), means];
  });
  const service = (system: boolean) => [
    [shown(new Launchd({ system, env }).file), `Definition of the launchd ${system ? 'daemon' : 'agent'}.`],
    [shown(new Systemd({ system, env }).file), `Definition of the systemd ${system ? 'system' : 'user'} unit.`],
  ];
  const logs = Object.values(LOG_FOLDERS).map((folder) => folder(env));
  const { dashboard, openclaw } = configSchema.parse({});
  return page('Files and ports', 'src/config/state-files.ts and src/ops/service', [
    '## Config',
    '',
    ...table(
      ['file', 'meaning'],
      [
        ...configCandidates(env).map((file) => [shown(file), 'The config, if it is the first of these that exists.']),
        [shown(meshesFile(env)), 'The meshes of `clawmesh mesh list`; `mesh add`, `use` and `remove` write it.'],
        ['`clawmesh.env`', 'Secrets, next to the config file. Only its owner may read it (0600).'],
      ],
    ),
    '',
    'clawmesh writes neither the config nor the secrets.',
    '',
    '## State of a machine',
    '',
    '`CLAWMESH_HOME` replaces `~/.clawmesh`. Only the user may read these. `<mesh id>` is a digest of the id of the mesh in Redis.',
    'Undelivered results and the data of the private server are nowhere else.',
    '',
    ...table(['file or folder', 'meaning'], state),
    '',
    '## Service of a node',
    '',
    '`clawmesh node install` writes these, without or with `--system`.',
    '',
    ...table(
      ['file', 'meaning'],
      [
        ...service(false),
        ...service(true),
        ...logs.map((folder) => [shown(`${folder}/${NODE_LOG}`), 'Log of the node, under launchd.']),
        ...logs.map((folder) => [
          shown(`${folder}/${PRINTED_LOG}`),
          'What the node prints beside its log, under launchd.',
        ]),
        [shown(NEWSYSLOG), 'Rotation of the log, with `--system` on macOS.'],
      ],
    ),
    '',
    '## Ports',
    '',
    ...table(
      ['address', 'setting', 'meaning'],
      [
        [
          `\`${dashboard.host}:${dashboard.port}\``,
          '`dashboard.host`, `dashboard.port`',
          'Dashboard, `/metrics` and `/healthz`.',
        ],
        [
          'none',
          '`node.listen`',
          '`/healthz`, `/readyz` and `/metrics` of a node; the dashboard, with `node.dashboard`.',
        ],
        [
          `\`${openclaw.gateway.url}\``,
          '`openclaw.gateway.url`',
          'OpenClaw gateway, which a node in gateway mode connects to.',
        ],
        [
          'none',
          '`redis.url`, `redis.sentinels`',
          'Redis, which nodes and commands connect to. The private server has no port.',
        ],
      ],
    ),
    '',
    'Nodes do not connect to each other.',
  ]);
}
