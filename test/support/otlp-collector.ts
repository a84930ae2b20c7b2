import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';

const value = z.union([
  z.object({ stringValue: z.string() }).transform((v) => v.stringValue),
  z.object({ intValue: z.union([z.number(), z.string()]) }).transform((v) => Number(v.intValue)),
  z.object({ doubleValue: z.number() }).transform((v) => v.doubleValue),
  z.object({ boolValue: z.boolean() }).transform((v) => v.boolValue),
  z.record(z.string(), z.unknown()),
]);
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .default([])
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, value])));
const span = z.object({
  name: z.string(),
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  attributes,
  events: z.array(z.object({ name: z.string(), attributes })).default([]),
  status: z.object({ code: z.number().optional() }).default({}),
});
const body = z.object({
  resourceSpans: z.array(
    z.object({ resource: z.object({ attributes }), scopeSpans: z.array(z.object({ spans: z.array(span) })) }),
  ),
});

export type CollectedSpan = z.output<typeof span> & { readonly resource: Record<string, unknown> };

/** A collector of OpenTelemetry spans (OTLP over HTTP, as JSON), which keeps what it gets. */
export class OtlpCollector {
  readonly spans: CollectedSpan[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (request.url === '/v1/traces') this.#take(JSON.parse(Buffer.concat(chunks).toString()));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  }

  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #take(document: unknown): void {
    for (const { resource, scopeSpans } of body.parse(document).resourceSpans) {
      for (const { spans } of scopeSpans) {
        this.spans.push(...spans.map((one) => ({ ...one, resource: resource.attributes })));
      }
    }
  }
}
