import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { entry } from '../../support/cli.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';
import { Terminal } from '../../support/terminal.ts';

/** Sets a colour of the text; weight and reverse are none. */
const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[(\\d+;)*(3[0-7]|9[0-7])m`);

describe('clawmesh top in a terminal', () => {
  let mesh: ProcessMesh;
  let terminal: Terminal;

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
    mesh.config = mesh.configWith('node: {pools: {default: 2}}\n');
    await Promise.all([mesh.startNode('mac-1'), mesh.startNode('mac-2')]);
  });
  afterEach(async () => {
    terminal?.close();
    await mesh.stop();
  });

  function open(env: NodeJS.ProcessEnv = {}, size = { columns: 80, rows: 24 }): Terminal {
    return new Terminal([process.execPath, entry, '--config', mesh.config, 'top'], env, size);
  }

  it('shows the mesh as it changes, and steers it with keys', async () => {
    await mesh.queueMany(6, 'hold');
    await mesh.starts(4);
    terminal = open({ NO_COLOR: '1' });
    await terminal.shows(/nodes: 2 up · tasks: 4 active, 2 waiting, 0 failed/);
    console.log(terminal.screen());
    const lines = terminal.screen().split('\n');
    expect(lines.length).toBeLessThanOrEqual(25);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(terminal.screen(true)).not.toMatch(COLOUR);

    terminal.press('Left', 'd');
    await terminal.shows(/drain mac-1\? y\/n/);
    terminal.press('n');
    await terminal.shows(/Tab section/);
    expect((await mesh.json('node', 'show', 'mac-1')).state).toBe('up');
    terminal.press('d');
    await terminal.shows(/drain mac-1\? y\/n/);
    terminal.press('y');
    await terminal.shows(/mac-1 +draining +██ 2\/2/);
    terminal.press('r');
    await terminal.shows(/resume mac-1\? y\/n/);
    terminal.press('y');
    await terminal.shows(/mac-1 +up /);

    terminal.press('Tab', '/');
    await terminal.shows(/filter: /);
    terminal.press('waiting', 'Enter');
    await terminal.shows(/TASK.*\n› \S+ +waiting.*\n {2}\S+ +waiting.*\n +HANDOVER/);
    terminal.press('c');
    await terminal.shows(/cancel …\w+\? y\/n/);
    terminal.press('y');
    await terminal.shows(/…\w+: cancelled/);
    terminal.press('Escape');
    await terminal.shows(/ cancelled /);

    terminal.press('Enter');
    await terminal.shows(/active · pool default[\s\S]*claimed on mac-[\s\S]*log:\s+\S+ a line for the log/);
    console.log(terminal.screen());
    terminal.press('Escape');
    await terminal.shows(/Tab section/);

    await mesh.presenceSeen('mac-2');
    await mesh.kill('mac-2');
    await terminal.shows(/✗ node mac-2 is dead → check/);
    await terminal.shows(/HANDOVER[\s\S]*mac-2 +- +crash, not claimed/);
    console.log(terminal.screen());

    terminal.press('q');
    await terminal.shows(/left with 0/);
  });

  it('has colours on a terminal that wants them, and says so when Redis is gone', async () => {
    terminal = open();
    await terminal.shows(/nodes: 2 up/);
    expect(terminal.screen(true)).toMatch(COLOUR);
    await mesh.server.down();
    await terminal.shows(/✗ as of \d+\S* ago: Redis at /);
    await mesh.server.up();
    await terminal.shows(/^mesh m · nodes: .*\n( {2}|▸ |› )/);
    expect(terminal.screen()).not.toContain('✗ as of');
    terminal.press('C-c');
    await terminal.shows(/left with \d/);
  });

  it('shows every problem, node detail and key on 60 columns, and wraps nothing', async () => {
    for (const pool of ['a', 'b', 'c', 'd']) await mesh.json('enqueue', 'x', '--pool', pool);
    terminal = open({ NO_COLOR: '1' }, { columns: 60, rows: 20 });
    await terminal.shows(/^mesh m · nodes: 2 up · tasks: 0 active, 4 waiting, 0 failed/);
    await terminal.shows(/PROBLEM +1–\d\/4/);
    const lines = terminal.screen().split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines.filter((line) => /^(▸ | {2})[A-Z]+( |$)/.test(line))).toHaveLength(5);

    terminal.press('Tab', 'Tab');
    await terminal.shows(/▸ PROBLEM/);
    terminal.press('Down', 'Down', 'Down');
    await terminal.shows(/› ✗ 1 task waits in pool d/);
    terminal.press('Enter');
    await terminal.shows(/^error\n✗ 1 task waits in pool d, and no node claims from it[\s\S]*\n→ start a node/);
    terminal.press('Escape');
    await terminal.shows(/▸ PROBLEM/);
    terminal.press('?');
    await terminal.shows(/keys of clawmesh top[\s\S]*lines 1–18 of/);
    terminal.press('PageDown');
    await terminal.shows(/declare it dead/);
    terminal.press('q');
    await terminal.shows(/▸ PROBLEM/);

    terminal.press('Tab');
    await terminal.shows(/▸ POOL/);
    terminal.press('p');
    await terminal.shows(/pause pool a in the whole mesh\? y\/n/);
    terminal.press('y');
    await terminal.shows(/› a +paused/);
    terminal.press('Tab');
    await terminal.shows(/▸ NODE/);
    terminal.press('Enter');
    await terminal.shows(/node mac-1[\s\S]*gates:\n {2}open/);
    terminal.press('Escape');
    await terminal.shows(/▸ NODE/);
    terminal.press('e');
    await terminal.shows(/declare mac-1 dead\? y\/n/);
    terminal.press('y');
    await terminal.shows(/mac-1 is declared dead; 0 tasks were requeued/);
    terminal.press('q');
    await terminal.shows(/left with 0/);
  });

  it('requires a terminal', async () => {
    const { code, stderr } = await mesh.cli('top');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/top requires a terminal.*status --watch/s)]);
  });

  it('drills a busy mesh only after the operator has agreed', async () => {
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    const { code, stdout } = await mesh.onTerminal(['drill', 'failover'], 'n\n');
    expect(stdout).toMatch(/1 task is running, and the drill may interrupt it\. Continue\? \[y\/N\]/);
    expect(stdout).toMatch(/the drill was not run/);
    expect(code).toBe(130);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ handovers: 0 });
  });
});
