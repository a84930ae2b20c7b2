import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ENVIRONMENT, READ_BY_LIBRARIES } from '../../src/config/environment.ts';

const texts = globSync('src/**/*.{ts,tsx}').map((file) => readFileSync(file, 'utf8'));

describe('the table of environment variables', () => {
  it('has every variable that the source reads, and no other', () => {
    const read = texts.flatMap((text) => [...text.matchAll(/\benv\.(\w+)/g)].map(([, name = '']) => name));
    const documented = Object.keys(ENVIRONMENT).filter((name) => !READ_BY_LIBRARIES.some((other) => other === name));
    expect([...new Set(read)].sort()).toEqual(documented.sort());
  });
});
