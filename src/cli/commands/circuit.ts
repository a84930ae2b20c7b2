import { Command } from 'commander';
import type { CircuitView } from '../../client/circuits.ts';
import { counted } from '../../domain/counted.ts';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { ago, type Output, oneLine } from '../output.ts';
import { addOutputOptions } from '../output-options.ts';

export function circuitCommand(): Command {
  const circuit = new Command('circuit')
    .description('list and close circuits, which hold the tasks of failing providers')
    .addHelpText('after', example('clawmesh circuit list', 'clawmesh circuit close default'));
  addOutputOptions(circuit.command('list'))
    .description('list circuits that are open or have counted failures')
    .addHelpText('after', example('clawmesh circuit list'))
    .action(list);
  circuit
    .command('close')
    .description('close a circuit: mark its provider as recovered, and release its held tasks at once')
    .argument('<name>', 'name of the circuit: a model, agent:<id>, or default')
    .addHelpText('after', example('clawmesh circuit close default'))
    .action(close);
  return circuit;
}

async function list(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const circuits = await mesh.circuit.view();
    if (out.json) out.document<'circuit list'>({ circuits }, 'circuits');
    else if (circuits.length === 0) out.note('no circuit is open, and none has counted failures');
    else printCircuits(out, circuits);
  });
}

function printCircuits(out: Output, circuits: readonly CircuitView[]): void {
  out.table(
    ['NAME', 'STATE', 'SINCE', 'HELD', 'FAILURES', 'NEXT PROBE', 'PROBE', 'LAST ERROR'],
    circuits.map((circuit) => [
      circuit.name,
      circuit.openedAt === null ? 'closed' : out.style('red', 'open'),
      ago(circuit.openedAt),
      String(circuit.held),
      String(circuit.failures),
      circuit.probe === null ? ago(circuit.nextProbeAt) : 'now',
      circuit.probe ?? '-',
      oneLine(`${circuit.kind}: ${circuit.message}`),
    ]),
  );
}

async function close(name: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const { closed, released } = await mesh.circuit.close(name);
    if (out.json) out.document<'circuit close'>({ name, closed, released });
    else {
      const tasks = `${counted(released, 'held task')} ${released === 1 ? 'was' : 'were'} released`;
      out.note(closed ? `circuit ${name} is closed; ${tasks}` : `circuit ${name} was not open`);
    }
  });
}
