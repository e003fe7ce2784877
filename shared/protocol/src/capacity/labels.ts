import Type, { type Static } from 'typebox';
import { expects, expectsKey } from '../input/wording.ts';

/** What owners say of their nodes in words of their own, and what jobs may ask of these words. */

/** Bounds of one node, and of one job: an offer has to fit a frame, and terms an entry of the log. */
export const labelLimits = { labels: 16, regions: 16, constraints: 16, values: 16 } as const;

export const labelKeyPattern = '^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$';
export const labelValuePattern = '^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$';
/** Lower case, as in eu-central. */
export const regionPattern = '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$';
/** What constraints compare with gt and lt: exact in a double. */
export const labelNumberPattern = '^[0-9]{1,15}$';

export const labelKeyWords = 'a label of small letters, digits, dots, dashes, _ and /, such as tier';
export const labelValueWords = 'a value of letters, digits, dots, dashes and _, such as gold';

export const LabelKeySchema = Type.String({
  pattern: labelKeyPattern,
  maxLength: 63,
  ...expects(labelKeyWords),
});
export const LabelValueSchema = Type.String({
  pattern: labelValuePattern,
  maxLength: 63,
  ...expects(labelValueWords),
});
export const RegionSchema = Type.String({
  pattern: regionPattern,
  maxLength: 32,
  ...expects('a region in small letters, such as eu-central'),
});
export const LabelsSchema = Type.Record(Type.String({ pattern: labelKeyPattern }), LabelValueSchema, {
  additionalProperties: false,
  maxProperties: labelLimits.labels,
  ...expectsKey(labelKeyWords),
  description: "The owner's own words: nobody checks them.",
});
export type Labels = Static<typeof LabelsSchema>;

export const labelOperators = ['in', 'not_in', 'exists', 'not_exists', 'gt', 'lt'] as const;
export type LabelOperator = (typeof labelOperators)[number];

/**
 * A wish about one label. `not_in` is met where the label is missing; `gt` and `lt` compare whole numbers and are not
 * met by anything else.
 */
export interface LabelConstraint {
  readonly key: string;
  readonly operator: LabelOperator;
  /** One at least for in and not_in, one number for gt and lt, none for the others. */
  readonly values: readonly string[];
}

/** Keys that stand for what the offer itself says, so that no label can say otherwise. */
export const reservedLabels = ['arch', 'region'] as const;
type ReservedLabel = (typeof reservedLabels)[number];

export function isReservedLabel(key: string): key is ReservedLabel {
  return (reservedLabels as readonly string[]).includes(key);
}
