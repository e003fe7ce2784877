import Type, { type Static } from 'typebox';
import { repeatable } from '../input/distinct.ts';

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

/** Path of the archive of further files. No job can list it, because an output lies inside a folder. */
export const packedOutputPath = '/more-files.tar';

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
export const maxOutputLinks = 1000;

/** Why something among the outputs was not kept, with the end of a sentence that begins with its path. */
export const skippedReasons = {
  special: 'is neither a file, a folder nor a link',
  name: 'has a name that is not plain UTF-8 text',
  long_name: 'has a path of more than 1,024 characters',
  link_outside: 'is a link that leads out of the outputs',
  link_dangling: 'is a link to something that was not kept',
  link_loop: 'is a link that leads back to itself',
  too_large: 'is larger than what max_size of its output leaves',
  not_storable: 'is larger than any file that the coordinator stores',
  too_many: 'comes after as many files or links as one task can keep',
} as const;
export type SkippedReason = keyof typeof skippedReasons;

/** Names that are told of what was skipped, and how long each may be. */
export const maxSkippedNames = 20;
export const maxSkippedNameChars = 256;

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
