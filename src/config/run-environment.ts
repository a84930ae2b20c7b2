import type { LoadedConfig } from './load.ts';
import { secretValues } from './secret-values.ts';

/** OpenTelemetry's variables for the key of a collector, for all signals or for one. */
const COLLECTOR_HEADERS = /^OTEL_EXPORTER_OTLP_(?:[A-Z]{1,20}_)?HEADERS$/;
/** A shorter value is too likely to occur in other values by chance. */
const MIN_LENGTH = 6;

/**
 * The environment that agent runs inherit: the daemon's, without clawmesh's own secrets. It excludes:
 *
 * - variables that supply secrets to the config
 * - variables that contain such a secret under another name (`REDISCLI_AUTH`, a URL with the password)
 * - the keys of the collector for spans
 *
 * The gateway token belongs to OpenClaw, and stays.
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
