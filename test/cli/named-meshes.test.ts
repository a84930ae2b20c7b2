import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseConfig, inMesh } from '../../src/cli/config-choice.ts';
import { meshesFile, NamedMeshes } from '../../src/cli/named-meshes.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import { emptyFolder } from '../support/folders.ts';

describe('the meshes of a user', () => {
  const home = () => {
    const env = { HOME: emptyFolder() };
    return { env, meshes: new NamedMeshes(env) };
  };

  it('are kept by name in a file that only the user can read', () => {
    const { env, meshes } = home();
    expect(meshes.list()).toEqual([]);
    meshes.add('studio', '/a.yaml');
    meshes.add('home', '/b.yaml');
    meshes.use('studio');
    expect(new NamedMeshes(env).list()).toEqual([
      { name: 'home', file: '/b.yaml', inUse: false },
      { name: 'studio', file: '/a.yaml', inUse: true },
    ]);
    expect(statSync(meshesFile(env)).mode & 0o777).toBe(0o600);
    expect(meshes.remove('studio')).toMatchObject({ inUse: true });
    expect(meshes.inUse()).toBeUndefined();
    expect(meshes.list()).toHaveLength(1);
  });

  it('refuse a name that another config has, and accept the same again', () => {
    const { meshes } = home();
    meshes.add('studio', '/a.yaml');
    expect(meshes.add('studio', '/a.yaml')).toMatchObject({ file: '/a.yaml' });
    expect(() => meshes.add('studio', '/b.yaml')).toThrow(/already a mesh studio, with the config \/a.yaml/);
    expect(() => meshes.add('Studio 1', '/b.yaml')).toThrow(/not a valid name/);
    expect(() => meshes.use('studi')).toThrow(
      expect.objectContaining({ code: 'not-found', remedy: 'did you mean studio?' }),
    );
    expect(meshes.list()).toEqual([{ name: 'studio', file: '/a.yaml', inUse: false }]);
  });

  it('name the file and the remedy if it is broken, and leave it as it is', () => {
    const { env, meshes } = home();
    const file = meshesFile(env);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '{"meshes": 1}');
    expect(() => meshes.add('studio', '/a.yaml')).toThrow(
      expect.objectContaining({ code: 'config', message: `${file} can't be used: it is not a list of meshes` }),
    );
    expect(readFileSync(file, 'utf8')).toBe('{"meshes": 1}');
  });
});

describe('the config of a command', () => {
  const env = { HOME: emptyFolder() };
  const meshes = new NamedMeshes(env);
  meshes.add('studio', '/studio.yaml');
  meshes.add('home', '/home.yaml');
  meshes.use('studio');
  const withVariable = { ...env, CLAWMESH_CONFIG: '/variable.yaml' };

  it('is --config or --mesh, else $CLAWMESH_CONFIG, else the mesh in use', () => {
    expect(chooseConfig({ config: '/c.yaml' }, withVariable)).toEqual({ file: '/c.yaml' });
    expect(chooseConfig({ mesh: 'home' }, withVariable).file).toBe('/home.yaml');
    expect(chooseConfig({}, withVariable)).toEqual({ file: '/variable.yaml' });
    expect(chooseConfig({}, env)).toEqual({ file: '/studio.yaml', mesh: { name: 'studio', how: 'in use' } });
    expect(chooseConfig({}, { HOME: emptyFolder() })).toEqual({ file: undefined });
    expect(() => chooseConfig({ config: '/c.yaml', mesh: 'home' }, env)).toThrow(/can't be combined/);
  });

  it('is not the mesh in use for the node of this machine, unless --mesh names it', () => {
    expect(chooseConfig({}, env, { ofNode: true })).toEqual({ file: undefined, ignored: 'studio' });
    expect(chooseConfig({ mesh: 'studio' }, env, { ofNode: true }).file).toBe('/studio.yaml');
    expect(chooseConfig({}, withVariable, { ofNode: true })).toEqual({ file: '/variable.yaml' });
  });

  it('does not read the list of meshes if a file is named', () => {
    const broken = { HOME: emptyFolder(), CLAWMESH_CONFIG: '/variable.yaml' };
    mkdirSync(join(broken.HOME, '.config/clawmesh'), { recursive: true });
    writeFileSync(meshesFile(broken), '{');
    expect(chooseConfig({}, broken).file).toBe('/variable.yaml');
    expect(chooseConfig({ config: '/c.yaml' }, { HOME: broken.HOME }).file).toBe('/c.yaml');
    expect(() => chooseConfig({}, { HOME: broken.HOME })).toThrow(/can't be used/);
  });

  it('is named by an error if it is that of a mesh', () => {
    const error = new ClawmeshError('not-found', 'no task x', { remedy: 'see clawmesh task list' });
    expect(inMesh(error, { file: '/c.yaml' })).toBe(error);
    expect(inMesh(error, chooseConfig({}, env))).toMatchObject({
      code: 'not-found',
      message: 'no task x',
      remedy: 'see clawmesh task list; mesh in use: studio',
    });
    const usage = new ClawmeshError('usage', 'bad message');
    expect(inMesh(usage, chooseConfig({}, env))).toBe(usage);
  });
});
