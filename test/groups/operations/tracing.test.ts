import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OtlpCollector } from '../../support/otlp-collector.ts';
import { reservePort } from '../../support/ports.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

describe('traces', () => {
  let mesh: ProcessMesh;
  let collector: OtlpCollector;

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
    collector = await OtlpCollector.start();
  });
  afterEach(async () => {
    await mesh.stop();
    collector.stop();
  });

  it('follows a task from the command that queued it over a crash to the node that ended it', async () => {
    mesh.config = mesh.configWith(`telemetry: {endpoint: "${collector.url}"}\n`);
    await mesh.startNode('mac-1');
    const id = await mesh.enqueue('hold');
    await mesh.starts(1);
    const survivor = await mesh.startNode('mac-2');
    await mesh.presenceSeen('mac-1');
    await mesh.kill('mac-1');
    await mesh.starts(2);
    mesh.ledger.release();
    await mesh.allEnded();
    await mesh.enqueue('0.1');
    await mesh.allEnded();
    // What is left goes out with the daemon.
    survivor.signal('SIGTERM');
    await survivor.exited;
    const queued = collector.spans.find(({ name }) => name.startsWith('add'));
    const runs = collector.spans.filter(({ attributes }) => attributes['messaging.message.id'] === id);
    expect(runs).toHaveLength(1); // the one of the dead node died with it
    expect(runs[0]).toMatchObject({
      name: 'run default',
      traceId: queued?.traceId,
      parentSpanId: queued?.spanId,
      attributes: { 'clawmesh.node': 'mac-2', 'clawmesh.handovers': 1, 'clawmesh.outcome': 'completed' },
      events: [{ name: 'handover', attributes: { reason: 'crash', takeover_ms: expect.any(Number) } }],
      resource: { 'service.name': 'clawmesh', 'service.instance.id': 'mac-2', 'clawmesh.mesh': 'm' },
    });
    expect(new Set(collector.spans.filter(({ name }) => name.startsWith('add')).map((s) => s.traceId)).size).toBe(2);
  });

  it('disturbs nothing if the trace collector is down', async () => {
    mesh.config = mesh.configWith('');
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await reservePort()}` };
    const node = await mesh.startNode('mac-1', { env });
    const id = await mesh.enqueue('0.1');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed' });
    node.signal('SIGTERM');
    expect(await node.exited).toBe(0);
    expect(node.output).toMatch(/spans could not be sent/);
  });
});
