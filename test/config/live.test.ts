import { describe, expect, it } from 'vitest';
import { LiveConfig } from '../../src/config/live.ts';
import { configSchema } from '../../src/config/schema.ts';

describe('the config of a running daemon', () => {
  const config = (more: object = {}) => configSchema.parse({ mesh: 'm', ...more });

  it('replaces the config if no changed setting requires a restart', () => {
    const live = new LiveConfig(config());
    const before = live.digest;
    const next = config({
      dispatch: { strategy: 'least-loaded', weights: { urgent: 5 } },
      gates: { minFreeDisk: '1GB' },
      openclaw: { version: '2026.9.6' },
    });
    expect(live.replace(next)).toEqual([]);
    expect(live.config).toBe(next);
    expect(live.digest).not.toBe(before);
  });

  it('keeps the whole config if one changed setting requires a restart, and names that setting', () => {
    const old = config({ nodes: { 'mac-1': {} } });
    const live = new LiveConfig(old);
    const next = config({
      dispatch: { strategy: 'round-robin' },
      queue: { attempts: 5, backoff: { delay: '1s' } },
      openclaw: { mode: 'exec', version: '1' },
      nodes: { 'mac-1': { labels: { gpu: 'yes' } } },
    });
    expect(live.replace(next).sort()).toEqual([
      'nodes.mac-1.labels',
      'openclaw.mode',
      'queue.attempts',
      'queue.backoff.delay',
    ]);
    expect(live.config).toBe(old);
  });
});
