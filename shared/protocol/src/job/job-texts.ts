import Type from 'typebox';
import { accountIdPattern } from '../ids.ts';
import { repeatable } from '../input/distinct.ts';
import { shownTextPattern } from '../input/plain-text.ts';
import { expects, expectsKey } from '../input/wording.ts';

/** Kinds of text that fields of the job file hold, each with words for what it must be. */

export const Duration = Type.String({
  pattern: '^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$',
  minLength: 2,
  maxLength: 32,
  description: 'A duration: 90s, 30m, 1h30m, 7d.',
  ...expects('a duration in whole units, such as 90s, 30m, 1h30m or 7d', 'duration'),
});
export const Money = Type.String({
  pattern: '^[0-9]+(\\.[0-9]{1,9})?$',
  maxLength: 32,
  description: 'An amount as text: "0.80".',
  ...expects('an amount as text with at most 9 decimals, such as "0.80"', 'money'),
});
export const Ident = Type.String({
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  maxLength: 63,
  ...expects('a name of small letters, digits and dashes, such as render-2', 'name'),
});
/** What its author wants to be told, and others are. */
export const shown = {
  pattern: shownTextPattern(),
  ...expects('text in one line without control characters or others that nobody sees'),
} as const;
export const JobLabels = Type.Record(
  Type.String({ pattern: shownTextPattern('{1,63}') }),
  Type.String({ ...shown, maxLength: 256 }),
  {
    additionalProperties: false,
    maxProperties: 64,
    ...expectsKey('a name of 1 to 63 characters in one line, each of which can be seen'),
  },
);
export const path = {
  pattern: '^/',
  maxLength: 1024,
  ...expects('an absolute path, such as /out', 'path'),
} as const;
export const AbsolutePath = Type.String(path);
export const cores = expects('a number of cores such as 2 or 0.5, or thousandths such as 500m', 'cpu');
export const command = expects('text for a shell, or a list of words such as [python, main.py]');
export const Strings = Type.Union([
  Type.String({ maxLength: 32_768 }),
  Type.Array(Type.String({ maxLength: 32_768 }), {
    minItems: 1,
    maxItems: 256,
    ...repeatable('Words of a command line.'),
  }),
]);
export const Account = Type.String({
  pattern: accountIdPattern,
  maxLength: 44,
  ...expects('an account such as acc_name, or the address of a wallet in small letters'),
});
