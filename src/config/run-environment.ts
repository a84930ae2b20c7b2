import type { LoadedConfig } from './load.ts';
import { secretValues } from './secret-values.ts';

/** OpenTelemetry's variables for the key of a collector: of all signals, or of one. */
const COLLECTOR_HEADERS = /^OTEL_EXPORTER_OTLP_(?:[A-Z]{1,20}_)?HEADERS$/;
/** A shorter value is too likely to stand in another by chance. */
const MIN_LENGTH = 6;

/**
 * The environment that agent runs inherit: the daemon's, less what is only for clawmesh. That is each variable from which
 * the config takes a secret, or that holds one under another name (`REDISCLI_AUTH`, a URL with the password in it), and the
 * keys of the collector that spans go to. The token of the gateway is OpenClaw's own, and stays.
 */
export function runEnvironment(
  { config, ownSecretEnv }: Pick<LoadedConfig, 'config' | 'ownSecretEnv'>,
  env: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  const own = secretValues(config).filter(
    (value) => value.length >= MIN_LENGTH && value !== config.openclaw.gateway.token,
  );
  const isOurs = (name: string, value: string) =>
    ownSecretEnv.includes(name) ||
    COLLECTOR_HEADERS.test(name) ||
    (name.startsWith('OTEL_') && hasPassword(value)) ||
    own.some((secret) => value.includes(secret));
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => value !== undefined && !isOurs(name, value)));
}

function hasPassword(value: string): boolean {
  return URL.canParse(value) && new URL(value).password !== '';
}
