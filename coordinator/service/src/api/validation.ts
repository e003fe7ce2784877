import { schemaProblems } from '@capacloud/protocol/input/schema';
import type { Problem } from '@capacloud/protocol/result';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/** Raw text values of a part of a request (query, path, headers) → typed values, or what is wrong with them. */
export type ReadTexts = (texts: Readonly<Record<string, unknown>>) => {
  readonly values: Readonly<Record<string, unknown>>;
  readonly problems: readonly Problem[];
};

interface PropertySchema {
  readonly type?: string;
  readonly default?: unknown;
}

const integerPattern = /^(?:0|-?[1-9][0-9]{0,15})$/;

/** One spelling for each value: no `+1`, `01`, `1e3`, `TRUE` or `yes`. Undefined when it is not of the type. */
function convert(text: string, type: string | undefined): unknown {
  if (type === 'integer') return integerPattern.test(text) ? Number(text) : undefined;
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined;
  return text;
}

/**
 * Reader of the query, path or headers of a route. Integers and booleans are converted by the schema's types,
 * defaults filled in; `open` leaves out what the schema does not name (headers), otherwise that is a problem.
 */
export function textReader(schema: TSchema, where: string, open: boolean): ReadTexts {
  const checked = Compile(schema);
  const properties = Object.entries(
    (schema as { properties?: Readonly<Record<string, PropertySchema>> }).properties ?? {},
  );
  const names = new Set(properties.map(([name]) => name));
  return (texts) => {
    const values: Record<string, unknown> = {};
    const problems: Problem[] = [];
    const problem = (name: string, message: string) =>
      problems.push({ pointer: `/${where}/${escapePointer(name)}`, message });
    for (const [name, property] of properties) {
      const raw = Object.hasOwn(texts, name) ? texts[name] : undefined;
      if (raw === undefined) {
        if (property.default !== undefined) values[name] = property.default;
        continue;
      }
      const value = typeof raw === 'string' ? convert(raw, property.type) : undefined;
      if (value !== undefined) values[name] = value;
      else problem(name, typeof raw === 'string' ? `must be ${property.type}` : 'is given more than once');
    }
    if (!open)
      for (const name of Object.keys(texts)) if (!names.has(name)) problem(name, 'is not a known field');
    if (problems.length === 0)
      for (const found of schemaProblems(checked, values))
        problems.push({ pointer: `/${where}${found.pointer}`, message: found.message });
    return { values, problems: problems.slice(0, 20) };
  };
}

/** Checker of a JSON body; a route without a body takes none. */
export function bodyChecker(schema: TSchema | undefined): (body: unknown) => readonly Problem[] {
  if (schema === undefined)
    return (body) =>
      body === undefined || body === null ? [] : [{ pointer: '', message: 'this call takes no body' }];
  const checked = Compile(schema);
  return (body) =>
    body === undefined ? [{ pointer: '', message: 'the body is missing' }] : schemaProblems(checked, body);
}

function escapePointer(name: string): string {
  return name.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1');
}
