import { gpuHint } from '../job/gpu-names.ts';
import { cpuHint, durationHint, moneyHint, sizeHint, userHint, variableHint } from './unit-hints.ts';
import type { WordedSchema } from './wording.ts';

/** What to write instead of a value, or undefined where that cannot be told. */
export type Hint = (value: unknown) => string | undefined;

const hints: Readonly<Record<string, Hint>> = {
  size: sizeHint,
  duration: durationHint,
  money: moneyHint,
  cpu: cpuHint,
  gpu: gpuHint,
  user: userHint,
  variable: variableHint,
  name: (value) => writeIf(typeof value === 'string' ? nameOf(value) : undefined),
  path: (value) => (typeof value === 'string' ? pathHint(value) : undefined),
};

/** By the schema's own hint, or by what its type and the value's have in common. */
export function hintFor(schema: WordedSchema, value: unknown, pointer: string): string | undefined {
  const { type } = schema;
  if (typeof value === 'string' && /^[“”„«»‘’‚]/.test(value)) return 'put straight quotes (") around it';
  const own = schema['x-hint'] === undefined ? undefined : hints[schema['x-hint']]?.(value);
  if (own !== undefined) return own;
  const branches = [schema, ...(schema.anyOf ?? [])];
  const isScalar = typeof value === 'number' || typeof value === 'boolean';
  const takes = (type: string): boolean =>
    branches.some((each) => each.type === type || typeof each.const === type);
  if (isScalar && takes('string') && !takes('number') && !takes('integer'))
    return branches.some((each) => takesText(each, `${value}`)) ? 'put quotes around it' : undefined;
  if (typeof value === 'object') return value === null ? undefined : wrongShape(schema, value, pointer);
  if (type === 'object') return shortHint(schema, value, pointer);
  const shown = shownValue(value);
  if (type === 'array' && shown !== undefined) return `write [${shown}]`;
  if (typeof value !== 'string') return undefined;
  if (type === 'boolean' && /^(yes|on|y|true)$/i.test(value)) return 'write true';
  if (type === 'boolean' && /^(no|off|n|false)$/i.test(value)) return 'write false';
  if ((type === 'integer' || type === 'number') && /^-?[0-9]{1,15}$/.test(value))
    return `write ${Number(value)} without quotes`;
  const choices = branches.map((each) => each.const).filter((each) => typeof each === 'string');
  return writeIf(choices.find((each) => each.toLowerCase() === value.toLowerCase()));
}

function takesText({ const: only, pattern, type }: WordedSchema, text: string): boolean {
  if (only !== undefined) return only === text;
  return type === 'string' && (pattern === undefined || new RegExp(pattern, 'u').test(text));
}

function writeIf(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : `write ${text}`;
}

/** Other languages write maps of text as lists: [A=1], [{name: A, value: 1}]. */
function wrongShape(schema: WordedSchema, value: object, pointer: string): string | undefined {
  const field = pointer.slice(pointer.lastIndexOf('/') + 1);
  if (Array.isArray(value) && schema.type === 'object' && schema['x-key'] !== undefined)
    return `write a name and a value each: ${field}: { NAME: value }`;
  if (Array.isArray(value) || schema.type !== 'array') return undefined;
  return 'write a list: each item begins with a dash';
}

/** `retry: 3` for `retry: { max_attempts: 3 }`, and `./a:/in/a` for an input, as Compose writes mounts. */
function shortHint(schema: WordedSchema, value: unknown, pointer: string): string | undefined {
  const short = schema['x-short'];
  if (short === undefined) return undefined;
  const { const: only, type } = schema.properties?.[short] ?? {};
  const [, source = value, target] =
    /^([^:]+):(\/[^:]*)(?::r[ow])?$/.exec(typeof value === 'string' ? value : '') ?? [];
  const shown = typeof only === 'string' ? only : shownValue(source, type);
  if (shown === undefined || (short === 'source' && typeof value !== 'string')) return undefined;
  const rest =
    short === 'source' ? `, target: ${shownValue(target) ?? `/in/${shown.split('/').at(-1)}`}` : '';
  const field = /\/([a-z_]+)$/.exec(pointer)?.[1];
  return `write ${field === undefined ? '' : `${field}: `}{ ${short}: ${shown}${rest} }`;
}

/** A short value as it would be written in YAML, safe to be repeated. */
function shownValue(value: unknown, type?: string): string | undefined {
  if (typeof value === 'number') return type === 'integer' ? `${value}` : `"${value}"`;
  if (typeof value !== 'string' || value.length > 64) return undefined;
  if (/^[0-9][0-9.]*$/.test(value)) return `"${value}"`;
  return /^[A-Za-z0-9./][A-Za-z0-9 ._/-]*$/.test(value) ? value : undefined;
}

function nameOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
}

function pathHint(text: string): string | undefined {
  if (/^[A-Za-z]:[\\/]/.test(text)) return 'paths are those of the container, such as /out';
  if (text.startsWith('~') || text.startsWith('$'))
    return 'nothing is expanded in it: write the whole path in the container, such as /out';
  const path = `/${text.replace(/^(\.?\/)+/, '')}`;
  return /^\/[A-Za-z0-9._/-]{1,64}$/.test(path) && !path.includes('..') ? `write ${path}` : undefined;
}
