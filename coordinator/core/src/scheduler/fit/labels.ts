import type { LabelConstraint } from '@capacloud/protocol/capacity/labels';
import { isReservedLabel, labelNumberPattern } from '@capacloud/protocol/capacity/labels';
import type { Offer } from '@capacloud/protocol/capacity/resources';

const wholeNumber = new RegExp(labelNumberPattern);

function labelOf(offer: Offer, key: string): string | undefined {
  if (isReservedLabel(key)) return offer[key];
  const { labels } = offer;
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

export function isInRegion({ region }: Offer, regions: readonly string[] | undefined): boolean {
  return regions === undefined || (region !== undefined && regions.includes(region));
}

export function meets(offer: Offer, { key, operator, values }: LabelConstraint): boolean {
  const label = labelOf(offer, key);
  switch (operator) {
    case 'exists':
      return label !== undefined;
    case 'not_exists':
      return label === undefined;
    case 'in':
      return label !== undefined && values.includes(label);
    case 'not_in':
      return label === undefined || !values.includes(label);
    case 'gt':
      return label !== undefined && wholeNumber.test(label) && Number(label) > Number(values[0]);
    case 'lt':
      return label !== undefined && wholeNumber.test(label) && Number(label) < Number(values[0]);
  }
}

export function meetsAll(offer: Offer, constraints: readonly LabelConstraint[] | undefined): boolean {
  return constraints === undefined || constraints.every((constraint) => meets(offer, constraint));
}
