interface Variable {
  readonly means: string;
  /** What applies if it is not set. */
  readonly otherwise: string;
}

/** All environment variables that clawmesh reads, beside those that a config refers to; a test holds the code to it. */
export const ENVIRONMENT = {
  CLAWMESH_CONFIG: {
    means: 'Config file.',
    otherwise:
      'the first of `./config/clawmesh.yaml`, `~/.config/clawmesh/clawmesh.yaml`, `/etc/clawmesh/clawmesh.yaml`',
  },
  CLAWMESH_ENV_FILE: { means: 'File of secrets for the config.', otherwise: '`clawmesh.env` next to the config file' },
  CLAWMESH_HOME: { means: 'Folder for the state of this machine.', otherwise: '`~/.clawmesh`' },
  CLAWMESH_NODE_ID: { means: 'Node id of this machine.', otherwise: '`NODE_ID`' },
  NODE_ID: { means: 'Node id of this machine.', otherwise: 'the host name without its domain' },
  HOME: { means: 'Home folder.', otherwise: 'the home folder in the user database' },
  PATH: { means: 'Folders of programs such as `openclaw` and `redis-server`.', otherwise: 'no program is found' },
  XDG_CONFIG_HOME: { means: 'Folder of the systemd unit of a user.', otherwise: '`~/.config`' },
  VISUAL: { means: 'Editor for `task rerun --edit`, with arguments if it needs some.', otherwise: '`EDITOR`' },
  EDITOR: { means: 'Editor for `task rerun --edit`, if `VISUAL` is not set.', otherwise: '`vi`' },
  NO_COLOR: { means: 'Print without colors.', otherwise: 'colors on a terminal' },
  FORCE_COLOR: {
    means: 'Color support of the terminal, for `clawmesh top`.',
    otherwise: '`1` on a terminal with colors',
  },
  HTTP_PROXY: { means: 'Proxy for the webhook of alerts (http).', otherwise: 'no proxy' },
  HTTPS_PROXY: { means: 'Proxy for the webhook of alerts (https).', otherwise: 'no proxy' },
  NO_PROXY: { means: 'Hosts without a proxy.', otherwise: 'none' },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    means: 'Collector of traces, if `telemetry.endpoint` is empty.',
    otherwise: 'no traces',
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
    means: 'Collector of traces, if `telemetry.endpoint` is empty.',
    otherwise: '`OTEL_EXPORTER_OTLP_ENDPOINT`',
  },
  OTEL_EXPORTER_OTLP_HEADERS: { means: 'Headers for the collector, such as its key.', otherwise: 'none' },
  OTEL_SDK_DISABLED: { means: '`true` turns traces off.', otherwise: '`false`' },
  OTEL_SERVICE_NAME: { means: 'Name of the service in traces.', otherwise: '`clawmesh`' },
  npm_package_name: { means: 'Set by npm. `up` then suggests commands for a checkout.', otherwise: 'no checkout' },
  npm_lifecycle_event: { means: 'Set by npm. `up` then suggests `npm start`.', otherwise: 'no `npm start`' },
} as const satisfies Readonly<Record<string, Variable>>;

/** Those that Node.js or a library reads for us. */
export const READ_BY_LIBRARIES: readonly (keyof typeof ENVIRONMENT)[] = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'OTEL_EXPORTER_OTLP_HEADERS',
];
