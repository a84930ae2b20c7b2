import { interleavings } from '../../support/interleavings/suite.ts';

// Other seeds by hand: CLAWMESH_SEEDS=21,22,23 npm run test:all interleavings
const seeds = process.env.CLAWMESH_SEEDS?.split(',').map(Number) ?? Array.from({ length: 20 }, (_, i) => i + 1);

interleavings(seeds, 4_000);
