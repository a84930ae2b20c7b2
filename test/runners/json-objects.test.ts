import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JsonObjects } from '../../src/runners/json-objects.ts';

interface Found {
  readonly object: unknown;
  readonly leftOut: Record<string, number>;
}

/** What is found in a stream that arrives in chunks of this many bytes. */
const find = (
  stream: string,
  { stringBytes = 1_000, objectBytes = 10_000, chunk = Number.MAX_SAFE_INTEGER } = {},
): Found[] => {
  const found: Found[] = [];
  const objects = new JsonObjects({ stringBytes, objectBytes }, ({ json, leftOut }) =>
    found.push({ object: JSON.parse(json), leftOut: Object.fromEntries(leftOut) }),
  );
  const bytes = Buffer.from(stream);
  for (let at = 0; at < bytes.length; at += chunk) objects.push(bytes.subarray(at, at + chunk));
  objects.end();
  return found;
};
const objectsIn = (stream: string) => find(stream).map(({ object }) => object);

it.each([
  [
    'text before, between and behind',
    'x {"a":1} y\n{"b":[true,null,-1.5e3]} z',
    [{ a: 1 }, { b: [true, null, -1500] }],
  ],
  ['nothing in it', '{}', [{}]],
  ['others inside, which count as parts of it', '{"a":{"b":{}}}', [{ a: { b: {} } }]],
  ['braces and quotes in its strings', String.raw`{"a":"}{\"\\"}`, [{ a: '}{"\\' }]],
  ['room in it', '{ "a" :\r\n\t[ 1 , 2 ] }', [{ a: [1, 2] }]],
])('finds an object with %s', (_, stream, objects) => {
  expect(objectsIn(stream)).toEqual(objects);
});

it.each([
  'a { of a log line {"a":1}',
  '{{{{"a":1}',
  '{"x":{"a":1}',
  '{"x":[1,{"a":1}',
  '{"broken" {"a":1}',
  '{"x":"never ended\n{"a":1}',
  '{"x":"\\q"} {"a":1}',
  '{"x":1,} {"a":1}',
])('is not misled by text that only begins like an object: %s', (stream) => {
  expect(objectsIn(stream)).toEqual([{ a: 1 }]);
});

it('finds nothing in an object that is cut off by the end of the stream', () => {
  expect(objectsIn('{"a":1')).toEqual([]);
});

it('cuts a string at its limit, in whole characters, and counts the omitted bytes under the object’s own key', () => {
  const stream = '{"long":"12345678","in":[{"x":"123456"},"123457"],"less":"1234"}';
  expect(find(stream, { stringBytes: 4 })).toEqual([
    { object: { long: '1234', in: [{ x: '1234' }, '1234'], less: '1234' }, leftOut: { long: 4, in: 4 } },
  ]);
  expect(find('{"a":"€€€"}', { stringBytes: 4 })).toEqual([{ object: { a: '€€' }, leftOut: { a: 3 } }]);
});

it.each([
  [String.raw`\n`, 1],
  [String.raw`\u0041`, 1],
  [String.raw`\u00fc`, 2],
  [String.raw`\u20ac`, 3],
  [String.raw`\ud83d\ude42`, 4],
])('counts %s as the %i bytes that it encodes, and never cuts it in two', (escaped, bytes) => {
  expect(find(`{"a":"x${escaped}","b":1}`, { stringBytes: 1 })).toEqual([
    { object: { a: 'x', b: 1 }, leftOut: { a: bytes } },
  ]);
  const whole = JSON.parse(`"x${escaped}"`);
  expect(find(`{"a":"x${escaped}"}`, { stringBytes: 1 + bytes })).toEqual([{ object: { a: whole }, leftOut: {} }]);
});

it('empties the values beyond the limit of the whole object, and keeps their keys', () => {
  const stream = `{"a":"${'x'.repeat(30)}","b":"left out","c":1}`;
  expect(find(stream, { objectBytes: 20 })).toEqual([
    { object: { a: 'x'.repeat(15), b: '', c: 1 }, leftOut: { a: 15, b: 8 } },
  ]);
});

it('gives up an object that is too long although its strings are short', () => {
  expect(find(`{"a":[${'1,'.repeat(30)}1]} {"b":1}`, { objectBytes: 20 }).map(({ object }) => object)).toEqual([
    { b: 1 },
  ]);
});

it('follows 100 levels, and finds the inner object of a deeper one', () => {
  const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`;
  expect(JSON.stringify(objectsIn(nested(100)))).toBe(`[${nested(100)}]`);
  expect(JSON.stringify(objectsIn(nested(101)))).toBe(`[${nested(100)}]`);
});

it('finds each object of a stream unchanged, in whatever chunks and between whatever text it arrives', () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });
  fc.assert(
    fc.property(fc.array(object, { maxLength: 3 }), fc.integer({ min: 1, max: 7 }), (objects, chunk) => {
      const texts = objects.map((one) => JSON.stringify(one));
      expect(find(`log\n${texts.join('\nlog [1] "x"\n')}`, { chunk }).map(({ object }) => object)).toEqual(
        texts.map((text) => JSON.parse(text)),
      );
    }),
  );
});
