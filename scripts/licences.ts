import { shippedPackages } from './shipped-packages.ts';

// Every package that clawmesh brings with it must have a licence that lets anybody use it as they use clawmesh.
const ALLOWED = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'Unlicense',
];

const wrong = [...shippedPackages()]
  .map(([path, { license = 'none' }]) => ({ path, license }))
  .filter(
    ({ license }) =>
      !license
        .replace(/[()]/g, '')
        .split(' OR ')
        .some((one) => ALLOWED.includes(one)),
  );
for (const { path, license } of wrong) console.error(`${path}: licence ${license} is not among ${ALLOWED.join(', ')}`);
process.exitCode = wrong.length > 0 ? 1 : 0;
