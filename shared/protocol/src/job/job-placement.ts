import Type, { type Static } from 'typebox';
import {
  isReservedLabel,
  type LabelConstraint,
  LabelKeySchema,
  type LabelOperator,
  LabelValueSchema,
  labelKeyWords,
  labelLimits,
  labelNumberPattern,
  labelOperators,
  labelValueWords,
} from '../capacity/labels.ts';
import { distinct, doubledItem, doubledWords, wholeItem } from '../input/distinct.ts';
import type { UnitReader } from '../input/unit-reader.ts';
import { expects } from '../input/wording.ts';
import { canonicalJson } from '../log/canonical.ts';
import { asWritten } from './as-written.ts';

const Region = Type.String({
  pattern: '^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$',
  maxLength: 32,
  ...expects('a region as nodes name theirs, such as eu-central'),
});
/** `placement.regions` of the job file. */
export const RegionsSchema = distinct(
  Type.Array(Region, {
    minItems: 1,
    maxItems: labelLimits.regions,
    description: 'Any of these, as nodes name theirs: eu-central.',
  }),
  wholeItem,
);
const Constraint = Type.Object(
  {
    key: {
      ...LabelKeySchema,
      ...expects(labelKeyWords),
      description: 'A label of nodes, or arch or region.',
    } as typeof LabelKeySchema,
    operator: Type.Unsafe<LabelOperator>(Type.String({ enum: [...labelOperators] })),
    values: Type.Optional(
      distinct(
        Type.Array(
          Type.Union([LabelValueSchema, Type.Integer({ minimum: 0, maximum: 10 ** 15 - 1 })], {
            ...asWritten,
            ...expects(`${labelValueWords}, or a whole number`),
          }),
          { maxItems: labelLimits.values },
        ),
        wholeItem,
      ),
    ),
  },
  {
    additionalProperties: false,
    description:
      'in and not_in take values, gt and lt one whole number, exists and not_exists none; a missing label is not_in.',
  },
);
/** `placement.constraints` of the job file. */
export const ConstraintsSchema = distinct(
  Type.Array(Constraint, { maxItems: labelLimits.constraints, description: 'All of these hold.' }),
  wholeItem,
);

interface PlacementWishes {
  readonly regions?: readonly string[];
  readonly constraints?: readonly LabelConstraint[];
}

/** What a job asks of the nodes themselves; only what it asks for is there. */
export function readPlacement(
  file: {
    readonly regions?: Static<typeof RegionsSchema>;
    readonly constraints?: Static<typeof ConstraintsSchema>;
  },
  read: UnitReader,
): PlacementWishes {
  const regions = [...new Set(file.regions?.map((region) => region.toLowerCase()))];
  const constraints = (file.constraints ?? []).map((each, index) => readConstraint(each, index, read));
  const texts = constraints.map((each) => canonicalJson(each));
  const doubled = constraints.findIndex((_, index) => texts.indexOf(texts[index] ?? '') < index);
  if (doubled >= 0) read.problem(`/placement/constraints/${doubled}`, 'says the same as one before it');
  return {
    ...(regions.length === 0 ? {} : { regions }),
    ...(constraints.length === 0 ? {} : { constraints }),
  };
}

/** Spelt in one way, two may be the same that differ as they are written. */
function checkDistinct(texts: readonly string[], pointer: string, read: UnitReader): void {
  const doubled = doubledItem(texts, [wholeItem]);
  if (doubled !== undefined) read.problem(pointer, doubledWords(doubled));
}

function readConstraint(
  { key, operator, values = [] }: Static<typeof Constraint>,
  index: number,
  read: UnitReader,
): LabelConstraint {
  const pointer = `/placement/constraints/${index}/values`;
  // What offers say of themselves is in lower case.
  const texts = values.map((value) => (isReservedLabel(key) ? `${value}`.toLowerCase() : `${value}`));
  checkDistinct(texts, pointer, read);
  switch (operator) {
    case 'in':
    case 'not_in':
      if (texts.length === 0) read.problem(pointer, `must name at least one value for ${operator}`);
      break;
    case 'gt':
    case 'lt':
      if (texts.length !== 1 || !new RegExp(labelNumberPattern).test(texts[0] ?? ''))
        read.problem(pointer, `must be one whole number for ${operator}`);
      break;
    case 'exists':
    case 'not_exists':
      if (texts.length > 0) read.problem(pointer, `must be absent for ${operator}`);
      break;
  }
  return { key, operator, values: texts };
}
