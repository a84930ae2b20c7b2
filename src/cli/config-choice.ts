import { ClawmeshError, type ErrorCode } from '../domain/errors.ts';
import { NamedMeshes } from './named-meshes.ts';

/** The config that a command uses, and why. */
export interface ConfigChoice {
  /** The named file; undefined to search for one. */
  readonly file: string | undefined;
  /** The mesh whose file it is, as the user calls it. */
  readonly mesh?: { readonly name: string; readonly how: 'in use' | '--mesh' };
  /** The mesh in use, if it does not apply because the command is about the node of this machine. */
  readonly ignored?: string;
}

/**
 * Chooses the config: `--config` or `--mesh`, else `$CLAWMESH_CONFIG`, else the mesh in use, else the search.
 *
 * @param ofNode the command starts or installs the node of this machine. A node must not change its mesh because its
 * user works with another one, so the mesh in use does not apply.
 * @throws ClawmeshError `usage` if both options are given; `not-found` for an unknown mesh; `config`.
 */
export function chooseConfig(
  options: { readonly config?: string; readonly mesh?: string },
  env: NodeJS.ProcessEnv,
  { ofNode = false }: { ofNode?: boolean } = {},
): ConfigChoice {
  const { config, mesh } = options;
  if (config !== undefined && mesh !== undefined) {
    throw new ClawmeshError('usage', "--config and --mesh can't be combined", { remedy: 'give one of them' });
  }
  if (config !== undefined) return { file: config };
  if (mesh !== undefined) return { file: new NamedMeshes(env).find(mesh).file, mesh: { name: mesh, how: '--mesh' } };
  if (env.CLAWMESH_CONFIG) return { file: env.CLAWMESH_CONFIG };
  const used = meshInUse(env);
  if (used === undefined) return { file: undefined };
  return ofNode
    ? { file: undefined, ignored: used.name }
    : { file: used.file, mesh: { name: used.name, how: 'in use' } };
}

/** A user without a home folder has no list of meshes. */
function meshInUse(env: NodeJS.ProcessEnv) {
  let meshes: NamedMeshes;
  try {
    meshes = new NamedMeshes(env);
  } catch {
    return undefined;
  }
  return meshes.inUse();
}

/** Codes of errors that another mesh might not give. */
const OF_MESH: readonly ErrorCode[] = ['config', 'redis', 'not-found'];

/** The error, with the mesh in which the command has looked; unchanged if the user named a file. */
export function inMesh(error: unknown, { mesh }: ConfigChoice): unknown {
  if (mesh === undefined || !(error instanceof ClawmeshError) || !OF_MESH.includes(error.code)) return error;
  const where = mesh.how === 'in use' ? `mesh in use: ${mesh.name}` : `--mesh ${mesh.name}`;
  const remedy = error.remedy === undefined ? where : `${error.remedy}; ${where}`;
  return new ClawmeshError(error.code, error.message, { remedy, cause: error });
}
