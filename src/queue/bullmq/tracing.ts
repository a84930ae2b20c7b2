import {
  type Context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { setGlobalErrorHandler, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Telemetry } from 'bullmq';
import { BullMQOtel } from 'bullmq-otel';
import type { Claim } from '../../domain/claim.ts';
import { messageOf } from '../../domain/errors.ts';
import type { TaskResult } from '../../domain/task.ts';
import type { TracingOptions } from './open-tracing.ts';

/** How long to wait for a collector, ms. */
const EXPORT_TIMEOUT_MS = 2_000;
/** Ends of a run that are not errors. */
const NOT_FAILED = new Set(['completed', 'cancelled', 'released']);

/**
 * OpenTelemetry spans of tasks: one for the enqueue, and a child for each run. The task carries the context of the
 * trace, so runs on any node are included. If a program has already set up OpenTelemetry, its own provider stays and
 * gets the spans.
 */
export class Tracing {
  /** Writes and reads the context in a task, as BullMQ's own workers do. */
  readonly #contexts: Telemetry<Context>['contextManager'];
  readonly #tracer: Tracer;
  readonly #provider: TracerProvider;
  readonly #nodeId: string | undefined;
  /** False if the program has its own provider. */
  readonly #registered: boolean;
  readonly #warn: (problem: string) => void;
  /** By task and lock token, because each pool of a node counts its tokens separately. */
  readonly #runs = new Map<string, Span>();

  constructor({ endpoint, mesh, nodeId, warn = () => {} }: TracingOptions) {
    this.#warn = warn;
    setGlobalErrorHandler((error) => warn(messageOf(error)));
    const url = endpoint ? new URL('v1/traces', endpoint.endsWith('/') ? endpoint : `${endpoint}/`).href : undefined;
    const exporter = new OTLPTraceExporter({ ...(url && { url }), timeoutMillis: EXPORT_TIMEOUT_MS });
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({
        'service.name': process.env.OTEL_SERVICE_NAME ?? 'clawmesh',
        'clawmesh.mesh': mesh,
        ...(nodeId && { 'service.instance.id': nodeId }),
      }),
      spanProcessors: [new BatchSpanProcessor({ exporter, exportTimeoutMillis: EXPORT_TIMEOUT_MS })],
    });
    this.#registered = trace.setGlobalTracerProvider(this.#provider);
    if (this.#registered) propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    this.#nodeId = nodeId;
    this.#tracer = trace.getTracer('clawmesh');
    this.#contexts = new BullMQOtel({ tracerName: 'clawmesh' }).contextManager;
  }

  /**
   * Wraps `send`, which queues `count` tasks and is called at once, in a span. `send` gets the context for the tasks.
   */
  async queueing<T>(pool: string, count: number, send: (trace: string) => Promise<T>): Promise<T> {
    const parent = this.#contexts.active();
    const span = this.#tracer.startSpan(
      `add ${pool}`,
      {
        kind: SpanKind.PRODUCER,
        attributes: {
          'messaging.system': 'bullmq',
          'messaging.operation.type': 'send',
          'messaging.destination.name': pool,
          'messaging.batch.message_count': count,
        },
      },
      parent,
    );
    try {
      return await send(this.#contexts.getMetadata(trace.setSpan(parent, span)));
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
      throw error;
    } finally {
      span.end();
    }
  }

  /** Starts the span of a run after its claim. */
  claimed(claim: Claim): void {
    const parent = claim.trace ? this.#contexts.fromMetadata(ROOT_CONTEXT, claim.trace) : ROOT_CONTEXT;
    const span = this.#tracer.startSpan(
      `run ${claim.pool}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          'messaging.system': 'bullmq',
          'messaging.operation.type': 'process',
          'messaging.destination.name': claim.pool,
          'messaging.message.id': claim.taskId,
          'clawmesh.node': this.#nodeId,
          'clawmesh.attempt': claim.attempt,
          'clawmesh.handovers': claim.handovers,
          'clawmesh.wait_ms': Math.max(0, claim.claimedAt - claim.readyAt),
          'gen_ai.agent.name': claim.spec.agent,
          'gen_ai.request.model': claim.spec.model,
        },
      },
      parent,
    );
    if (claim.takenOver) {
      const { reason, lostAt } = claim.takenOver;
      span.addEvent('handover', { reason, takeover_ms: claim.claimedAt - lostAt });
    }
    this.#runs.set(runOf(claim), span);
  }

  /** Ends the span of a run; `end` says how the run ended. */
  ended(claim: Claim, end: string, _ranMs: number, result: TaskResult | undefined): void {
    const span = this.#runs.get(runOf(claim));
    if (!span) return;
    this.#runs.delete(runOf(claim));
    span.setAttribute('clawmesh.outcome', end);
    if (result?.model) span.setAttribute('gen_ai.response.model', result.model);
    if (result?.usage) {
      span.setAttribute('gen_ai.usage.input_tokens', result.usage.input);
      span.setAttribute('gen_ai.usage.output_tokens', result.usage.output);
      if (result.usage.cost !== undefined) span.setAttribute('clawmesh.cost_usd', result.usage.cost);
    }
    if (!NOT_FAILED.has(end)) span.setStatus({ code: SpanStatusCode.ERROR, message: end });
    span.end();
  }

  handedOver(): void {}

  beat(): void {}

  /** Sends the remaining spans; waits no longer than {@link EXPORT_TIMEOUT_MS}. */
  async close(): Promise<void> {
    await this.#provider.shutdown().catch((error: unknown) => this.#warn(messageOf(error)));
    if (!this.#registered) return;
    trace.disable();
    propagation.disable();
  }
}

function runOf({ taskId, token }: Claim): string {
  return `${taskId} ${token}`;
}
