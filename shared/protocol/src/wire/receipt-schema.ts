import Type from 'typebox';
import { archPattern } from '../capacity/resources-schema.ts';
import type { OutcomeReason } from '../catalogue/reasons.ts';
import { outcomeReasons, reasonNames } from '../catalogue/reasons.ts';
import { NodeIdSchema, Sha256Schema, TaskIdSchema } from '../ids-schema.ts';
import { distinct, wholeItem } from '../input/distinct.ts';
import { DelegationSchema } from './delegation-schema.ts';
import { maxOutputFiles, maxOutputLinks } from './outputs.ts';
import { OutputLinkSchema, SkippedOutputsSchema } from './outputs-schema.ts';

const millis = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const AttemptNumberSchema = Type.Integer({ minimum: 1, maximum: 10_000 });
export const NonceSchema = Type.String({ pattern: '^[0-9a-f]{32}$', maxLength: 32 });

export const OutputFileSchema = Type.Object(
  {
    path: Type.String({ minLength: 1, maxLength: 1024 }),
    sha256: Sha256Schema,
    sizeBytes: Type.Integer({ minimum: 0, maximum: 2 ** 50 }),
    packed: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2 ** 20,
        description: 'It is a tar archive of so many files; a name in it is the path inside the container.',
      }),
    ),
  },
  { additionalProperties: false },
);

/** Architectures of an image, spelt as in offers. */
export const ImageArchitecturesSchema = distinct(
  Type.Array(Type.String({ pattern: archPattern, maxLength: 16 }), { minItems: 1, maxItems: 16 }),
  wholeItem,
);

export const LogGapSchema = Type.Object({ from: millis, to: millis }, { additionalProperties: false });

export const OutcomeReasonSchema = Type.Unsafe<OutcomeReason>(
  Type.String({ enum: [...reasonNames(outcomeReasons)], maxLength: 64 }),
);

export const ReceiptSchema = Type.Object(
  {
    version: Type.Literal(1),
    node: NodeIdSchema,
    task: TaskIdSchema,
    attempt: AttemptNumberSchema,
    nonce: NonceSchema,
    reason: OutcomeReasonSchema,
    message: Type.Optional(Type.String({ maxLength: 500, description: 'One sentence with particulars.' })),
    exitCode: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
    oomKilled: Type.Boolean(),
    /** Digest of the image that ran: repository digest where there is one, else the image id. */
    image: Type.Optional(Type.String({ maxLength: 200, pattern: '^[!-~]*$' })),
    /** With the reason image_wrong_platform: architectures that the image is made for, where that is known. */
    imageRunsOn: Type.Optional(ImageArchitecturesSchema),
    startedAt: Type.Optional(millis),
    finishedAt: Type.Optional(millis),
    outputs: distinct(Type.Array(OutputFileSchema, { maxItems: maxOutputFiles }), ['path']),
    links: Type.Optional(distinct(Type.Array(OutputLinkSchema, { maxItems: maxOutputLinks }), ['path'])),
    skipped: Type.Optional(SkippedOutputsSchema),
    /** Outputs that are folders without a file: they are there, though nothing of them is. */
    emptyFolders: Type.Optional(
      distinct(Type.Array(Type.String({ minLength: 1, maxLength: 1024 }), { maxItems: 64 }), wholeItem),
    ),
    /** `sizeBytes` counts what lies in the gap as well. */
    log: Type.Object(
      { sizeBytes: millis, truncated: Type.Boolean(), gap: Type.Optional(LogGapSchema) },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

export const SignedReceiptSchema = Type.Object(
  {
    receipt: ReceiptSchema,
    hash: Sha256Schema,
    batch: Type.Object(
      {
        index: Type.Integer({ minimum: 0 }),
        size: Type.Integer({ minimum: 1 }),
        path: Type.Array(Type.String({ description: 'Sibling hash, hex.' })),
        signature: Type.String({ description: 'Ed25519 over the batch message, base64.' }),
      },
      { additionalProperties: false },
    ),
    delegation: DelegationSchema,
    delegationSignature: Type.String({
      description: 'EIP-712 signature of the delegation by the node key, hex.',
    }),
  },
  { additionalProperties: false },
);
