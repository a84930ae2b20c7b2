import { execFileSync } from 'node:child_process';

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'ignore' });

/** Network namespaces take Linux and root. */
export const namespacesPossible = process.platform === 'linux' && process.getuid?.() === 0;

/** A network of its own for one node, with a cable to this machine that can be pulled: nothing is closed, and nothing replies. */
export class Namespace {
  /** This machine as seen from inside. */
  readonly host: string;
  /** What to put in front of a command that is to run inside. */
  readonly prefix: string[];
  readonly #name: string;
  readonly #cable: string;

  /** `index`: from 0 to 200, one for each namespace of this process. */
  constructor(index: number) {
    const id = `${process.pid % 10_000}n${index}`;
    this.#name = `clawmesh-${id}`;
    this.#cable = `cmo${id}`;
    // A network per process, so that one that another process left behind is not in the way.
    const network = `10.${100 + (process.pid % 100)}.${index}`;
    this.host = `${network}.1`;
    this.prefix = ['ip', 'netns', 'exec', this.#name];
    const inner = `cmi${id}`;
    ip('netns', 'add', this.#name);
    ip('link', 'add', this.#cable, 'type', 'veth', 'peer', 'name', inner);
    ip('link', 'set', inner, 'netns', this.#name);
    ip('addr', 'add', `${this.host}/30`, 'dev', this.#cable);
    ip('link', 'set', this.#cable, 'up');
    ip('-n', this.#name, 'addr', 'add', `${network}.2/30`, 'dev', inner);
    ip('-n', this.#name, 'link', 'set', inner, 'up');
    ip('-n', this.#name, 'link', 'set', 'lo', 'up');
  }

  pullCable(): void {
    ip('link', 'set', this.#cable, 'down');
  }

  plugIn(): void {
    ip('link', 'set', this.#cable, 'up');
  }

  remove(): void {
    // The namespace lives on for as long as a process is in it, the cable does not.
    ip('link', 'del', this.#cable);
    ip('netns', 'del', this.#name);
  }
}
