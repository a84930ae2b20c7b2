import { interleavings } from '../support/interleavings/suite.ts';

// A first look; `npm run test:all interleavings` has more seeds and ten times the steps.
interleavings([1, 2, 3, 4, 5], 400);
