import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { runEnvironment } from '../../src/config/run-environment.ts';

const CONFIG = `
redis: {url: "redis://:\${REDIS_PW}@localhost:6379"}
openclaw: {gateway: {token: "\${GATEWAY_TOKEN}"}}
dashboard: {token: "\${PAGE_TOKEN}"}
security: {signingKey: "a-key-that-stands-in-the-file"}
telemetry: {endpoint: "\${COLLECTOR}"}
`;
const VARIABLES = {
  REDIS_PW: 'pw-of-redis',
  GATEWAY_TOKEN: 'token-of-gateway',
  PAGE_TOKEN: 'x',
  COLLECTOR: 'http://c',
};

describe('the environment of agent runs', () => {
  const inherited = (more: NodeJS.ProcessEnv) => {
    const env = { PATH: '/bin', ...VARIABLES, ...more };
    return runEnvironment(parseConfig(CONFIG, 'mesh.yaml', env), env);
  };

  it('keeps variables that do not belong to clawmesh, and the token of OpenClaw’s own gateway', () => {
    const more = {
      OPENAI_API_KEY: 'sk-1234567890',
      OTEL_SERVICE_NAME: 'agent',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318',
    };
    expect(inherited(more)).toEqual({ PATH: '/bin', GATEWAY_TOKEN: 'token-of-gateway', ...more });
  });

  it.each([
    ['the key of a collector', 'OTEL_EXPORTER_OTLP_HEADERS', 'authorization=Bearer 1'],
    ['the key of a collector of traces', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'x=1'],
    ['the key of a collector of logs', 'OTEL_EXPORTER_OTLP_LOGS_HEADERS', 'x=1'],
    ['a collector’s address with a password', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'https://me:secret@collector'],
    ['a copy of Redis’ password', 'REDISCLI_AUTH', 'pw-of-redis'],
    ['a URL with Redis’ password', 'REDIS_URL', 'redis://:pw-of-redis@localhost/1'],
    ['a copy of a secret that stands in the config itself', 'COPY', 'a-key-that-stands-in-the-file'],
  ])('removes %s', (_, name, value) => {
    expect(inherited({ [name]: value })).toEqual({ PATH: '/bin', GATEWAY_TOKEN: 'token-of-gateway' });
  });
});
