import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnv } from './cli.ts';
import { PrintedLines, remember, type Witness } from './evidence.ts';
import { emptyFolder } from './folders.ts';
import { openclawEntry } from './openclaw-paths.ts';
import { reservePort } from './ports.ts';

export const GATEWAY_TOKEN = 'test-token';

/** What an OpenClaw of a test has beside a model. */
export interface OpenClawExtras {
  /** The folder of the test chat (test/support/openclaw-test-channel); none by default. */
  readonly chat?: string;
  /** The clawmesh plugin, with this config; absent by default. */
  readonly plugin?: object;
}

/** Folders and config of one OpenClaw installation of its own, talking to the fake provider. */
export function openclawHome(
  providerUrl: string,
  port: number,
  { chat, plugin }: OpenClawExtras = {},
): { env: NodeJS.ProcessEnv } {
  const home = emptyFolder();
  const state = join(home, 'state');
  mkdirSync(state);
  const config = join(home, 'openclaw.json');
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
  const model = {
    id: 'echo',
    name: 'echo',
    reasoning: false,
    input: ['text'],
    cost,
    contextWindow: 128_000,
    maxTokens: 4_096,
  };
  writeFileSync(
    config,
    JSON.stringify({
      gateway: { mode: 'local', port, bind: 'loopback', auth: { mode: 'token', token: GATEWAY_TOKEN } },
      models: {
        mode: 'merge',
        providers: { fake: { baseUrl: providerUrl, apiKey: 'sk-test', api: 'openai-completions', models: [model] } },
      },
      agents: { defaults: { model: { primary: 'fake/echo' } } },
      ...(chat !== undefined && { channels: { testchat: { folder: chat } } }),
      ...((chat !== undefined || plugin) && {
        plugins: {
          load: {
            paths: [
              ...(chat === undefined ? [] : [resolve('test/support/openclaw-test-channel')]),
              ...(plugin ? [resolve('openclaw-plugin')] : []),
            ],
          },
          entries: {
            ...(chat !== undefined && { testchat: { enabled: true } }),
            ...(plugin && { clawmesh: { enabled: true, config: plugin } }),
          },
        },
      }),
    }),
  );
  return { env: { OPENCLAW_CONFIG_PATH: config, OPENCLAW_STATE_DIR: state, HOME: home } };
}

/** A real OpenClaw gateway as a process. */
export class Gateway implements Witness {
  readonly port: number;
  readonly #printed = new PrintedLines();
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  private constructor(port: number, env: NodeJS.ProcessEnv) {
    this.port = port;
    this.#env = env;
  }

  static async start(providerUrl: string, extras: OpenClawExtras = {}): Promise<Gateway> {
    const port = await reservePort();
    const gateway = new Gateway(port, openclawHome(providerUrl, port, extras).env);
    remember(gateway);
    await gateway.up();
    return gateway;
  }

  get name(): string {
    return `gateway-${this.port}`;
  }

  get live(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  printed() {
    return this.#printed.lines;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /**
   * Starts it (again) on the same state, and waits until it takes runs; that takes about ten seconds on an idle
   * machine.
   */
  async up(timeoutMs = 600_000): Promise<void> {
    this.#child = spawn(process.execPath, [openclawEntry, 'gateway', 'run'], {
      env: cleanEnv(this.#env),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => this.#printed.add(chunk));
    }
    const deadline = performance.now() + timeoutMs;
    while (!(await this.#ready())) {
      if (performance.now() > deadline || this.#child.exitCode !== null) throw new Error('the gateway did not come up');
      await sleep(250);
    }
  }

  async down(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || !this.live) return;
    const exited = once(child, 'exit');
    process.kill(-child.pid, signal);
    await exited;
  }

  async #ready(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.port}/readyz`, { signal: AbortSignal.timeout(1_000) })).ok;
    } catch {
      return false;
    }
  }
}
