import { readFileSync } from 'node:fs';

/** A package in package-lock.json, by its folder. */
export interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/**
 * Development dependencies that the build puts into the bundle. They reach users as `dependencies` do, without the
 * parts that clawmesh does not use.
 */
const BUNDLED = [
  '@bull-board/api',
  '@bull-board/fastify',
  '@bull-board/ui',
  '@fastify/cookie',
  '@fastify/helmet',
  '@fastify/rate-limit',
  '@modelcontextprotocol/server',
  '@openclaw/gateway-client',
  '@openclaw/gateway-protocol',
  '@opentelemetry/api',
  '@opentelemetry/core',
  '@opentelemetry/exporter-trace-otlp-http',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-trace',
  'bullmq-otel',
  'commander',
  'execa',
  'ink',
  'pino-pretty',
  'plist',
  'preact',
  'prom-client',
  'react',
  'yaml',
];

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Readonly<Record<string, LockedPackage>>;
};

/** All packages that reach users, by their folder: those that npm installs, and those in the bundle. */
export function shippedPackages(): ReadonlyMap<string, LockedPackage> {
  const found = new Map(Object.entries(packages).filter(([folder, { dev }]) => folder !== '' && !dev));
  const add = (folder: string | undefined) => {
    const locked = folder === undefined ? undefined : packages[folder];
    if (folder === undefined || !locked || found.has(folder)) return;
    found.set(folder, locked);
    for (const name of Object.keys(locked.dependencies ?? {})) add(folderOf(name, folder));
  };
  for (const name of BUNDLED) add(folderOf(name, ''));
  return found;
}

/** The folder of a package for code in another folder, as Node.js looks for it. */
function folderOf(name: string, from: string): string | undefined {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const folder = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (folder in packages) return folder;
    if (at === '') return undefined;
  }
}

const shipped = shippedPackages();

/** Whether the code of this package may reach users. */
export function isShipped(folder: string): boolean {
  return shipped.has(folder);
}
