import Type from 'typebox';
import { maxTaskUid, minTaskUid, minTaskUids, reservedUids } from '../core/task-uids.ts';
import type { Parsed, RawValue } from './setting-parsers.ts';

export const UidRangeSchema = Type.Object(
  { first: Type.Integer({ minimum: minTaskUid }), last: Type.Integer({ maximum: maxTaskUid }) },
  { additionalProperties: false },
);

function complain(message: string): Parsed {
  return { ok: false, message };
}

/** FIRST-LAST. */
export function uidRange(raw: RawValue): Parsed {
  const [, first = '', last = ''] = /^([1-9][0-9]{0,9})-([1-9][0-9]{0,9})$/.exec(String(raw)) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (range.first < minTaskUid || range.last > maxTaskUid)
    return complain(`must be user ids from ${minTaskUid} to ${maxTaskUid}, such as 2013265920-2013267967`);
  if (range.last - range.first + 1 < minTaskUids)
    return complain(`must hold at least ${minTaskUids} user ids, such as 2013265920-2013267967`);
  const reserved = reservedUids.find((uid) => uid >= range.first && uid <= range.last);
  if (reserved !== undefined) return complain(`must not hold ${reserved}, which every system uses itself`);
  return { ok: true, value: range };
}
