import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import { outputOf } from '../context.ts';
import { example } from '../help.ts';
import { addOutputOptions } from '../output-options.ts';

/** `mesh list | add | use | remove`: the meshes that this user works with, by name. */
export function meshCommand(): Command {
  const mesh = new Command('mesh')
    .description('name the meshes that you work with, and choose the one that commands address')
    .addHelpText('after', example('clawmesh mesh add studio ~/studio/clawmesh.yaml', 'clawmesh mesh use studio'));
  addOutputOptions(mesh.command('list'))
    .description('list your meshes; * marks the mesh in use')
    .addHelpText('after', example('clawmesh mesh list'))
    .action(list);
  mesh
    .command('add')
    .description('add a mesh under a name, after checking its config')
    .argument('<name>', 'name of the mesh on this machine')
    .argument('<file>', 'its config file')
    .addHelpText('after', example('clawmesh mesh add studio ~/studio/clawmesh.yaml'))
    .action(add);
  mesh
    .command('use')
    .description('address this mesh in commands that name no other (--config, --mesh, $CLAWMESH_CONFIG)')
    .argument('[name]', 'name of the mesh')
    .option('--none', 'use no mesh: search for the config again')
    .addHelpText(
      'after',
      `${example('clawmesh mesh use studio', 'clawmesh mesh use --none')}\n\nNodes ignore it: node run, node install and up use the config that they are given or find.`,
    )
    .action(use);
  mesh
    .command('remove')
    .description('remove the name of a mesh; its config file and the mesh itself stay')
    .argument('<name>', 'name of the mesh')
    .addHelpText('after', example('clawmesh mesh remove studio'))
    .action(remove);
  return mesh;
}

async function namedMeshes() {
  const { NamedMeshes } = await import('../named-meshes.ts');
  return new NamedMeshes(process.env);
}

async function list(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const meshes = (await namedMeshes()).list();
  if (out.json) return out.document<'mesh list'>({ meshes }, 'meshes');
  if (meshes.length === 0) return out.note('no meshes; add one: clawmesh mesh add <name> <config file>');
  out.table(
    ['', 'NAME', 'CONFIG'],
    meshes.map(({ name, file, inUse }) => [
      inUse ? '*' : ' ',
      name,
      existsSync(file) ? file : `${file} ${out.style('red', '(missing)')}`,
    ]),
  );
  if (process.env.CLAWMESH_CONFIG) out.note('CLAWMESH_CONFIG is set, and comes before the mesh in use');
}

async function add(name: string, path: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const { loadConfig, sharedFile } = await import('../../config/load.ts');
  const file = resolve(path);
  loadConfig({ file, env: process.env });
  const added = (await namedMeshes()).add(name, sharedFile(file));
  if (out.json) out.document<'mesh add'>(added);
  else out.note(`mesh ${name} is added; to use it: clawmesh mesh use ${name}, or --mesh ${name}`);
}

async function use(name: string | undefined, { none }: { none?: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  if ((name === undefined) === (none === undefined)) {
    throw new ClawmeshError('usage', name === undefined ? 'no mesh is named' : "a name and --none can't be combined", {
      remedy: 'give the name of a mesh (see clawmesh mesh list), or --none',
    });
  }
  (await namedMeshes()).use(name);
  if (out.json) out.document<'mesh use'>({ inUse: name ?? null });
  else out.note(name === undefined ? 'no mesh is in use' : `mesh ${name} is in use`);
}

async function remove(name: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const removed = (await namedMeshes()).remove(name);
  if (out.json) out.document<'mesh remove'>({ name, removed: true });
  else out.note(removed.inUse ? `mesh ${name} is removed; it was in use` : `mesh ${name} is removed`);
}
