import Type, { type Static } from 'typebox';
import { Sha256Schema, TaskIdSchema } from '../ids-schema.ts';
import { distinct, repeatable, wholeItem } from '../input/distinct.ts';
import { AttemptNumberSchema } from './receipt-schema.ts';

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const AttemptRefSchema = Type.Object({ task: TaskIdSchema, attempt: AttemptNumberSchema }, closed);
export type AttemptRef = Static<typeof AttemptRefSchema>;
/** What names an attempt in a list. */
export const attemptKey: readonly string[] = ['task', 'attempt'];

/** Attempts of one node. */
export function attemptRefs(minItems: number) {
  return distinct(Type.Array(AttemptRefSchema, { minItems, maxItems: 1024 }), attemptKey);
}

export const ProtocolsSchema = distinct(Type.Array(count, { minItems: 1, maxItems: 16 }), wholeItem);

export const WordsSchema = Type.Array(Type.String({ maxLength: 32_768 }), {
  maxItems: 256,
  ...repeatable('Words of a command line.'),
});

export const AssignedInputsSchema = distinct(
  Type.Array(
    Type.Object({ sha256: Sha256Schema, sizeBytes: count, target: Type.String({ maxLength: 1024 }) }, closed),
    { maxItems: 64 },
  ),
  ['target'],
);

export const PullsSchema = distinct(
  Type.Array(
    Type.Object(
      { task: TaskIdSchema, attempt: AttemptNumberSchema, doneBytes: count, totalBytes: count },
      closed,
    ),
    { maxItems: 64 },
  ),
  attemptKey,
);
