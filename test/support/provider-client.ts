import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { emptyFolder } from './folders.ts';

/** How a provider behaves for a while. */
export type ProviderMood =
  | { readonly kind: 'fine' }
  | { readonly kind: 'flaky'; readonly share: number }
  | { readonly kind: 'rate-limit'; readonly retryAfterS: number }
  | { readonly kind: 'down' };

/** A provider with moods, and a stand-in for openclaw that asks it once per run and tells what it said as openclaw does. */
export class MoodyProvider {
  readonly bin: string;
  readonly calls: { readonly at: number; readonly mood: ProviderMood['kind'] }[] = [];
  mood: ProviderMood = { kind: 'fine' };
  readonly #close: () => void;
  #flaky = 0;

  private constructor(bin: string, close: () => void) {
    this.bin = bin;
    this.#close = close;
  }

  static async start(): Promise<MoodyProvider> {
    const server = createServer((request, response) => {
      request.resume();
      const { mood } = provider;
      provider.calls.push({ at: Date.now(), mood: mood.kind });
      if (mood.kind === 'down') return request.socket.destroy();
      if (mood.kind === 'rate-limit') return response.writeHead(429, { 'retry-after': String(mood.retryAfterS) }).end();
      const fails =
        mood.kind === 'flaky' &&
        Math.floor(++provider.#flaky * mood.share) > Math.floor((provider.#flaky - 1) * mood.share);
      return response.writeHead(fails ? 500 : 200).end('answer');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const bin = join(emptyFolder(), 'openclaw');
    writeFileSync(
      bin,
      `#!${process.execPath}
if (process.argv[2] === '--version') { console.log('OpenClaw 2026.9.6 (test)'); process.exit(0); }
const fail = (message) => { console.log(JSON.stringify({ ok: false, error: { message, kind: 'exception' } })); process.exit(1); };
try {
  const response = await fetch('http://127.0.0.1:${port}', { method: 'POST', body: 'x' });
  if (response.status === 429) fail(\`rate limited, HTTP 429, Retry-After: \${response.headers.get('retry-after')}\`);
  else if (!response.ok) fail(\`(provider internal error, HTTP \${response.status})\`);
  else console.log(JSON.stringify({ ok: true, final: await response.text(), usage: { input: 11, output: 5, total: 16, cost: { total: 0.25 } }, model: 'echo', provider: 'fake' }));
} catch { fail('fetch failed: ECONNRESET'); }
`,
    );
    chmodSync(bin, 0o755);
    const provider = new MoodyProvider(bin, () => server.close());
    return provider;
  }

  /** Calls that came in a mood, and when the last one came. */
  callsIn(kind: ProviderMood['kind']): number {
    return this.calls.filter((call) => call.mood === kind).length;
  }

  stop(): void {
    this.#close();
  }
}
