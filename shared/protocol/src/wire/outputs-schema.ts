import Type, { type Static } from 'typebox';
import { repeatable } from '../input/distinct.ts';
import { maxSkippedNameChars, maxSkippedNames, type SkippedReason, skippedReasons } from './outputs.ts';

/** A path whose files are collected when the container has ended. */
export const AssignedOutputSchema = Type.Object(
  {
    path: Type.String({ maxLength: 1024 }),
    maxBytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    /** The attempt succeeds without it. */
    optional: Type.Optional(Type.Literal(true)),
  },
  { additionalProperties: false },
);

/** A symbolic link among the outputs, to a file or folder among them that is no link itself. */
export const OutputLinkSchema = Type.Object(
  {
    path: Type.String({ minLength: 1, maxLength: 1024 }),
    target: Type.String({
      minLength: 1,
      maxLength: 2048,
      description: 'Relative to the folder of the link.',
    }),
  },
  { additionalProperties: false },
);
export type OutputLink = Static<typeof OutputLinkSchema>;

export const SkippedOutputsSchema = Type.Object(
  {
    total: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    first: Type.Array(
      Type.Object(
        {
          path: Type.String({
            maxLength: maxSkippedNameChars,
            description: 'Printable, cut where it is long.',
          }),
          why: Type.Unsafe<SkippedReason>(Type.String({ enum: Object.keys(skippedReasons), maxLength: 32 })),
        },
        { additionalProperties: false },
      ),
      { maxItems: maxSkippedNames, ...repeatable('Names are cut, so two may look alike.') },
    ),
  },
  { additionalProperties: false, description: 'What was among the outputs and could not be kept.' },
);
export type SkippedOutputs = Static<typeof SkippedOutputsSchema>;
