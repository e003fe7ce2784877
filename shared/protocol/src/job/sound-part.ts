import { escapePointer } from '../input/plain-text.ts';
import type { WordedSchema } from '../input/wording.ts';
import type { Problem } from '../result.ts';
import type { JobFile } from './job-file.ts';

/** Stands in for what is missing or wrong and has no default. */
const standIns: Readonly<Record<string, unknown>> = { version: '1', image: 'image' };

/** In lists whose items are judged one by one, each clear of all others. */
const itemStandIns: Readonly<Record<string, (index: number) => unknown>> = {
  '/inputs': (index) => ({
    source: `artifact:${'0'.repeat(64)}`,
    target: `/stands-in-for-input-${index}/file`,
  }),
  '/outputs': (index) => ({ path: `/stands-in-for-output-${index}` }),
  '/resources/gpu': (index) => ({ count: 1, vram: `${1000 + index}Mi` }),
};

/** Bounds the copies: no job file that is meant goes beyond. */
const mostValues = 10_000;

/**
 * What is left of a job file without the values at whose pointers something is wrong, so that the rest can be judged.
 * What lacks a field that it needs goes with it. An item of a list has something in its place, because the others keep
 * theirs, or else the list goes with it. Undefined where no part of the input is a file.
 */
export function soundPart(schema: object, input: unknown, problems: readonly Problem[]): JobFile | undefined {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined;
  const pruner = new Pruner(problems);
  const part = pruner.prune({ ...(schema as WordedSchema), required: [] }, input, '');
  return pruner.left < 0 ? undefined : ({ ...standIns, ...(part as object) } as unknown as JobFile);
}

class Pruner {
  left = mostValues;
  readonly #wrong: ReadonlySet<string>;

  constructor(problems: readonly Problem[]) {
    this.#wrong = new Set(problems.map(({ pointer }) => pointer));
  }

  prune(schema: WordedSchema | undefined, value: unknown, pointer: string): unknown {
    this.left -= 1;
    if (this.left < 0 || (pointer !== '' && this.#wrong.has(pointer))) return undefined;
    if (typeof value !== 'object' || value === null) return value;
    const shape = branchFor(schema, Array.isArray(value) ? 'array' : 'object');
    if (Array.isArray(value)) {
      const items = value.map((item: unknown, index) =>
        this.prune(shape?.items, item, `${pointer}/${index}`),
      );
      if (!items.includes(undefined)) return items;
      const standIn = itemStandIns[pointer];
      return standIn === undefined ? undefined : items.map((item, index) => item ?? standIn(index));
    }
    const pruned: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      const field = shape?.properties !== undefined && Object.hasOwn(shape.properties, key);
      // Fields that are not known are refused or passed over.
      if (shape?.properties !== undefined && !field) continue;
      const inner = shape?.properties?.[key];
      const kept = this.prune(inner, item, `${pointer}/${escapePointer(key)}`);
      if (kept !== undefined)
        Object.defineProperty(pruned, key, {
          value: kept,
          enumerable: true,
          configurable: true,
          writable: true,
        });
    }
    const isWhole = (shape?.required ?? []).every((key) => Object.hasOwn(pruned, key));
    return isWhole ? pruned : undefined;
  }
}

function branchFor(schema: WordedSchema | undefined, type: 'array' | 'object'): WordedSchema | undefined {
  if (schema === undefined || schema.type === type) return schema;
  return schema.anyOf?.find((each) => each.type === type);
}
