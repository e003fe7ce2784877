import Type from 'typebox';
import { flaws } from '../core/engine-flaws.ts';
import type { Parsed, RawValue } from './setting-parsers.ts';

const maxAcceptedFlaws = 32;

export const AcceptedFlawsSchema = Type.Array(Type.String(), { maxItems: maxAcceptedFlaws });

/** CVE-…,…, or the list of the file. Only what the doctor knows can be accepted. */
export function acceptedFlaws(raw: RawValue): Parsed {
  const ids = String(raw)
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
  if (ids.length > maxAcceptedFlaws)
    return { ok: false, message: `has more than ${maxAcceptedFlaws} entries` };
  const odd = ids.find((id) => !flaws.some((flaw) => flaw.id === id && flaw.isWithinReach));
  if (odd === undefined) return { ok: true, value: ids };
  const known = flaws.filter(({ isWithinReach }) => isWithinReach).map(({ id }) => id);
  return {
    ok: false,
    message: `has ${JSON.stringify(odd.slice(0, 40))}, which is no flaw that can be accepted: ${known.join(', ')}`,
  };
}
