import { expect, test } from 'vitest';
import { escapeHidden, isShownText, shownJson, shownTextPattern, toShownText } from './plain-text.ts';

/** Control characters, marks of direction, what has no width, tags, breaks of lines, fillers, half a pair. */
const hidden = [
  '\0',
  '\u001b',
  '\n',
  '\u007f',
  '\u009b',
  '\u00ad',
  '\u034f',
  '\u061c',
  '\u115f',
  '\u200b',
  '\u200e',
  '\u200f',
  '\u2028',
  '\u2029',
  '\u202a',
  '\u202e',
  '\u2060',
  '\u2066',
  '\u2069',
  '\u3164',
  '\ufe0f',
  '\ufeff',
  '\ufff9',
  '\ud800',
  '\udfff',
  '\u{e0001}',
  '\u{e007f}',
];

test.each(hidden)(
  '%j is hidden: no shown text has it, cleaning takes it away, JSON escapes it',
  (character) => {
    const text = `a ${character} b`;
    expect(isShownText(text)).toBe(false);
    expect(new RegExp(shownTextPattern(), 'u').test(text)).toBe(false);
    expect(isShownText(toShownText(text))).toBe(true);
    const json = shownJson({ [text]: [text] });
    expect(json).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(json)).toEqual({ [text]: [text] });
  },
);

test.each(['', 'NVIDIA RTX 4090', 'Ωmega – “größer” 東京', 'עברית', '💥', 'e\u0301'])(
  '%j is shown as it is',
  (text) => {
    expect(isShownText(text)).toBe(true);
    expect(new RegExp(shownTextPattern(), 'u').test(text)).toBe(true);
    expect(toShownText(text)).toBe(text);
    expect(shownJson([text])).toBe(JSON.stringify([text]));
  },
);

test('breaks of lines become one space, other hidden characters one replacement each', () => {
  expect(toShownText('a\r\n\n\tb\u202e\u{e0041}c')).toBe('a b\ufffd\ufffdc');
});

test('the layout of JSON stays', () => {
  const laidOut = JSON.stringify({ a: ['\u202e'] }, null, 2);
  expect(escapeHidden(laidOut)).toBe(laidOut.replace('\u202e', '\\u202e'));
});
