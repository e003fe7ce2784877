import Type, { type Static } from 'typebox';
import { expects, expectsKey } from '../input/wording.ts';

/** Labels are words that an owner gives to a node; nobody checks them. Jobs may ask for them. */

/** Most entries of one node, and of one job: an offer has to fit a frame, and the terms of a job an entry of the log. */
export const labelLimits = { labels: 16, regions: 16, constraints: 16, values: 16 } as const;

export const labelKeyPattern = '^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$';
export const labelValuePattern = '^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$';
/** Lower case, as in eu-central. */
export const regionPattern = '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$';
/** Values that constraints compare with gt and lt: 15 digits are exact in a double. */
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
 * A wish about one label. A node without the label meets `not_in`. `gt` and `lt` compare whole numbers; no other value
 * meets them.
 */
export interface LabelConstraint {
  readonly key: string;
  readonly operator: LabelOperator;
  /** At least one value for `in` and `not_in`, one number for `gt` and `lt`, and none for the others. */
  readonly values: readonly string[];
}

/** Keys that stand for fields of the offer, so that no label can contradict them. */
export const reservedLabels = ['arch', 'region'] as const;
type ReservedLabel = (typeof reservedLabels)[number];

export function isReservedLabel(key: string): key is ReservedLabel {
  return (reservedLabels as readonly string[]).includes(key);
}
