import { Tally } from './tally.ts';

// `npm test`: types, lint, generated docs, unit tests, and the end-to-end tests that need only Redis.
// With arguments only vitest runs, and only the tests that they name.
const filters = process.argv.slice(2);
const tally = new Tally();
if (filters.length === 0) {
  await tally.step('check', 'npm', ['run', '--silent', 'check']);
  await tally.vitest('tests', ['--project', 'core', '--project', 'mocks']);
} else {
  await tally.vitest('tests', filters);
}
tally.finish();
