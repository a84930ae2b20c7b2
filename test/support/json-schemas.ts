import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

const schemas = JSON.parse(
  readFileSync(new URL('../../docs/reference/schema/json-output.json', import.meta.url), 'utf8'),
);
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true }).addSchema(schemas, 'output');

/** What in a document is not as the published schema of this command says; empty if all is well. */
export function schemaErrorsOf(command: string, document: unknown): unknown[] {
  const name = command.replace(/[ -]+/g, '-');
  const validate = ajv.getSchema(`output#/$defs/${name}`) as ValidateFunction | undefined;
  if (!validate) throw new Error(`no schema for ${command}`);
  return validate(document) ? [] : (validate.errors ?? []);
}
