import type { ChildProcess } from 'node:child_process';
import { spawnOwned } from './processes.ts';

type Message = { readonly id?: number; readonly method?: string; readonly params?: unknown; readonly result?: unknown };

/** A minimal editor: speaks the Language Server Protocol over standard input and output. */
export class LanguageClient {
  readonly #server: ChildProcess;
  readonly #replies = new Map<number, (result: unknown) => void>();
  readonly #diagnostics = new Map<string, readonly { readonly message: string; readonly range: unknown }[]>();
  #rest = Buffer.alloc(0);
  #lastId = 0;

  constructor(program: string, args: readonly string[]) {
    this.#server = spawnOwned(program, [...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#server.stdout?.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  async start(): Promise<void> {
    await this.request('initialize', { processId: process.pid, rootUri: null, capabilities: {} });
    this.#send({ method: 'initialized', params: {} });
  }

  /** Opens a document; its diagnostics follow. */
  open(uri: string, text: string): void {
    this.#send({
      method: 'textDocument/didOpen',
      params: { textDocument: { uri, languageId: 'yaml', version: 1, text } },
    });
  }

  /** What the server has found in the document; undefined until it has looked. */
  problems(uri: string): string[] | undefined {
    return this.#diagnostics.get(uri)?.map(({ message }) => message);
  }

  request(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#replies.set(id, resolve);
      this.#send({ id, method, params });
    });
  }

  stop(): void {
    this.#server.kill();
  }

  #send(message: Message): void {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message });
    this.#server.stdin?.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const end = this.#rest.indexOf('\r\n\r\n');
      const length = Number(/Content-Length: (\d+)/.exec(this.#rest.toString('utf8', 0, Math.max(0, end)))?.[1]);
      if (end < 0 || this.#rest.length < end + 4 + length) return;
      const text = this.#rest.toString('utf8', end + 4, end + 4 + length);
      this.#rest = this.#rest.subarray(end + 4 + length);
      this.#take(JSON.parse(text) as Message);
    }
  }

  #take({ id, method, params, result }: Message): void {
    if (method === undefined) {
      if (id !== undefined) this.#replies.get(id)?.(result);
    } else if (method === 'textDocument/publishDiagnostics') {
      const { uri, diagnostics } = params as { uri: string; diagnostics: { message: string; range: unknown }[] };
      this.#diagnostics.set(uri, diagnostics);
    } else if (id !== undefined) {
      // The server asks for its settings: all have their defaults.
      const items = (params as { items?: unknown[] } | undefined)?.items ?? [];
      this.#send({ id, result: items.map(() => null) });
    }
  }
}
