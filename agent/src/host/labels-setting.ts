import {
  isReservedLabel,
  labelKeyPattern,
  labelLimits,
  labelValuePattern,
} from '@capacloud/protocol/capacity/labels';
import type { Parsed, RawValue } from './setting-parsers.ts';

function complain(message: string): Parsed {
  return { ok: false, message };
}

/** KEY=VALUE,…, or the JSON object that a map of the file becomes. */
export function labels(raw: RawValue): Parsed {
  const entries = labelEntries(String(raw));
  if (entries === undefined) return complain('must be a map of texts, or KEY=VALUE,… in a flag');
  if (entries.length > labelLimits.labels) return complain(`has more than ${labelLimits.labels} labels`);
  const found = new Map<string, string>();
  for (const [key, value] of entries) {
    if (isReservedLabel(key)) return complain(`cannot set ${key}: the offer says it by itself`);
    if (!new RegExp(labelKeyPattern).test(key))
      return complain('has a key that is not 1 to 63 lower-case letters, digits and . _ / - between them');
    if (!new RegExp(labelValuePattern).test(value))
      return complain(`needs for ${key} a value of 1 to 63 letters, digits and . _ - between them`);
    if (found.has(key)) return complain(`has ${key} twice`);
    found.set(key, value);
  }
  return { ok: true, value: Object.fromEntries(found) };
}

function labelEntries(written: string): readonly (readonly [string, string])[] | undefined {
  if (!written.startsWith('{')) {
    return written.split(',').map((part) => {
      const [key = '', ...value] = part.split('=');
      return [key.trim(), value.join('=').trim()];
    });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(written);
  } catch {
    return undefined;
  }
  return Object.entries(parsed as object).map(([key, value]) => [
    key,
    typeof value === 'object' ? '' : String(value),
  ]);
}
