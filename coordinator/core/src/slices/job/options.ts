import { alternativesOf } from '@capacloud/protocol/capacity/resources';
import type { JobTerms } from '../../contract/command.ts';

/** The terms of each alternative by itself, in order of preference. */
export function optionsOf(terms: JobTerms): readonly JobTerms[] {
  const alternatives = alternativesOf(terms.resources);
  return alternatives.length === 1 ? [terms] : alternatives.map((resources) => ({ ...terms, resources }));
}
