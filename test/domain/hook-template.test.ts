import { describe, expect, it } from 'vitest';
import { fillTemplate, templateProblem } from '../../src/domain/hook-template.ts';
import { wantedResults } from '../../src/domain/placeholders.ts';

describe('the template of a hook', () => {
  it('inserts texts, numbers and booleans of the body, also out of lists', () => {
    const body = { action: 'opened', pull: { number: 7, draft: false, labels: [{ name: 'ui' }] } };
    const template = '{{body.action}} #{{body.pull.number}} {{body.pull.draft}} {{body.pull.labels.0.name}}';
    expect(fillTemplate(template, body)).toBe('opened #7 false ui');
  });

  it.each([
    ['is not there', '{{body.b}}'],
    ['is an object', '{{body.a}}'],
    ['is null', '{{body.none}}'],
    ['is inherited', '{{body.constructor.name}}'],
    ['is a part of a text', '{{body.text.length}}'],
  ])('names a value that %s', (_what, template) => {
    const name = template.slice(2, -2);
    expect(fillTemplate(`${template} ${template}`, { a: {}, none: null, text: 'x' })).toEqual({ missing: [name] });
  });

  it('fits no body that is not an object', () => {
    for (const body of [null, 'text', 7, []]) expect(fillTemplate('{{body.a}}', body)).toEqual({ missing: ['body.a'] });
  });

  it('reads nothing of what it inserts as a placeholder, not even when parts form one together', () => {
    const id = '01kbv2m6s3v5w8q0r4t7y9z1x2';
    for (const body of [
      { a: `{{result:${id}}}`, b: '' },
      { a: '{{resu', b: `lt:${id}}}` },
      { a: `{{{{result:${id}}}`, b: '' },
    ]) {
      const message = fillTemplate('{{body.a}}{{body.b}}', body);
      expect(message).toContain(id);
      expect(wantedResults(String(message))).toEqual([]);
    }
    expect(fillTemplate('{{body.a}}', { a: '{{body.b}}', b: 'secret' })).toBe('{{body.b}}');
  });

  it.each([
    ['is empty', ' ', /must not be empty/],
    ['has a typo', 'x {{bdoy.a}}', /expected only placeholders of the form/],
    ['quotes a result', '{{result:01kbv2m6s3v5w8q0r4t7y9z1x2}}', /expected only placeholders of the form/],
    ['has a space in a placeholder', '{{ body.a }}', /expected only placeholders of the form/],
    ['is too long', 'x'.repeat(65_537), /is longer than 65536 characters/],
    ['has 33 placeholders', '{{body.a}}'.repeat(33), /has more than 32 placeholders/],
  ])('is refused if it %s', (_what, template, problem) => {
    expect(templateProblem(template)).toMatch(problem);
  });

  it('may have 32 placeholders', () => {
    expect(templateProblem('{{body.a.b.0}}'.repeat(32))).toBeUndefined();
  });
});
