import type { Tracing } from './tracing.ts';

export interface TracingOptions {
  /** Base address of an OTLP/HTTP collector; empty for the collector that `OTEL_EXPORTER_OTLP_*` names. */
  readonly endpoint: string;
  readonly mesh: string;
  readonly nodeId?: string | undefined;
  /** Called with the reason if spans could not be sent. */
  readonly warn?: ((problem: string) => void) | undefined;
}

/**
 * Enables tracing if a collector is configured, or named by OpenTelemetry's own variables. Only then is any part of
 * OpenTelemetry loaded.
 */
export async function openTracing(options: TracingOptions, env: NodeJS.ProcessEnv): Promise<Tracing | undefined> {
  if (env.OTEL_SDK_DISABLED === 'true') return undefined;
  if (!options.endpoint && !env.OTEL_EXPORTER_OTLP_ENDPOINT && !env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
    return undefined;
  const { Tracing } = await import('./tracing.ts');
  return new Tracing(options);
}
