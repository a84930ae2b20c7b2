import type { Command } from 'commander';
import { ClawmeshError } from '../domain/errors.ts';
import { type FieldPath, fieldsOption } from './fields.ts';
import { choiceOption } from './options.ts';
import { FORMATS, type Format } from './output.ts';

/** The options of commands that print an entry or a list of them. */
export interface OutputOptions {
  readonly output?: Exclude<Format, 'text'>;
  readonly fields?: readonly FieldPath[];
}

const CHOICES = FORMATS.filter((format) => format !== 'text');

/** Adds the options of commands that print an entry or a list of them. */
export function addOutputOptions(command: Command): Command {
  command.option(
    '-o, --output <format>',
    `output format: ${CHOICES.join(', ')}; jsonl prints one line per entry`,
    choiceOption(CHOICES),
  );
  return addFieldsOption(command, 'id,state,error.kind');
}

/** Adds the option of commands that print one document, such as a summary. */
export function addFieldsOption(command: Command, example: string): Command {
  return command.option('--fields <names>', `print only these fields as JSON, e.g. ${example}`, fieldsOption);
}

/** The format that these options ask for. @throws ClawmeshError `usage` if they contradict each other. */
export function formatOf({ json, output, fields }: OutputOptions & { readonly json?: boolean }): Format {
  if (json && output !== undefined && output !== 'json') {
    throw new ClawmeshError('usage', `--json and --output ${output} can't be combined`, { remedy: 'give one of them' });
  }
  if (fields && (output === 'wide' || output === 'id')) {
    throw new ClawmeshError('usage', `--fields and --output ${output} can't be combined`, {
      remedy: 'use --output json or jsonl with --fields',
    });
  }
  return output ?? (json || fields ? 'json' : 'text');
}

/** Whether this command line asks for JSON, even if it is wrong otherwise: its error is then JSON, too. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const words = end === -1 ? args : args.slice(0, end);
  return words.some((word, index) => {
    if (word === '--json' || /^--fields(=|$)/.test(word)) return true;
    const [, value] = /^(?:-o|--output=?)(.*)$/.exec(word) ?? [];
    return value !== undefined && /^jsonl?$/.test(value || (words[index + 1] ?? ''));
  });
}
