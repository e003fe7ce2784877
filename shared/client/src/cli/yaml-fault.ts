import { type Document, isScalar, visit, type YAMLError } from 'yaml';
import { tooDeep } from './job-tree.ts';

/** Faults after which the rest of the file can still be judged. */
export function isRecoverable({ code }: Pick<YAMLError, 'code'>): boolean {
  return code === 'DUPLICATE_KEY' || code === 'TAG_RESOLVE_FAILED';
}

type Words = (text: string, start: number, end: number) => string;

const nested: Words = () =>
  'This line is read as a key inside a value: mend its indentation, or put quotes around text that holds ": ".';

const words: Partial<Record<YAMLError['code'], Words>> = {
  TAB_AS_INDENT: () => 'A tab is used for indentation, where YAML takes spaces only.',
  DUPLICATE_KEY: (text, start) =>
    `The key ${keyAt(text, start)} stands here for the second time in one map: keep one of them.`,
  MULTIPLE_DOCS: () =>
    'A second document begins here (---), and a file is one job: put each job into a file of its own.',
  TAG_RESOLVE_FAILED: (text, start, end) =>
    `Tags such as ${text.slice(start, end).split(/[\s,\]}]/)[0]} are not taken: write plain text, lists and maps, and quotes around what must stay text.`,
  BLOCK_AS_IMPLICIT_KEY: nested,
  MULTILINE_IMPLICIT_KEY: nested,
  BAD_INDENT: () =>
    'The indentation of this line fits no line above it: what belongs to one map or list begins in the same column.',
  RESOURCE_EXHAUSTION: () => `What begins here ${tooDeep}.`,
  UNEXPECTED_TOKEN: (text, start) =>
    /^[{[]/.test(text.slice(start)) && /[}\]]\s*$/.test(text.slice(0, start))
      ? 'A second value begins here, and a file is one job: put each job into a file of its own.'
      : 'This does not belong here: look for a quote, bracket, comma or colon that is missing or too many before it.',
  BAD_SCALAR_START: (text, start) =>
    `Text that begins with ${text.slice(start, start + 1)} needs quotes around it.`,
};

const missing: readonly (readonly [RegExp, string])[] = [
  [/^Missing closing/, 'A quote is opened and never closed.'],
  [/must end with a }/, 'A { is opened above, and its } is missing.'],
  [/must end with a \]/, 'A [ is opened above, and its ] is missing.'],
  [
    /need to be followed by map values/,
    'This line has a name without a colon, or text that needs quotes around it.',
  ],
  [/^Missing , /, 'A comma is missing before this.'],
  [/^Missing space after :/, 'A space is missing after the colon.'],
  [
    /^Comments must be separated/,
    'A comment needs a space before its #; text with a # needs quotes around it.',
  ],
];

/** Where the quote is that is never closed, as a person has to look there and not at the end of the file. */
export function openQuote({ code, message, pos }: YAMLError, document: Document): number | undefined {
  let place: number | undefined;
  if (code !== 'MISSING_CHAR' || !message.startsWith('Missing closing')) return undefined;
  visit(document, {
    Scalar: (_, node) => {
      const [start, end] = isScalar(node) ? (node.range ?? []) : [];
      if (end === pos[0] && node.type?.startsWith('QUOTE_') === true) place = start;
    },
  });
  return place;
}

/** After something that does not belong where it stands, a parser stumbles over the rest. */
export function withoutEchoes(faults: readonly YAMLError[]): readonly YAMLError[] {
  const first = faults.findIndex(({ code }) => code === 'UNEXPECTED_TOKEN' || code === 'MISSING_CHAR');
  return faults.filter(({ code }, index) => index <= first || first < 0 || isNoEcho(code));
}

function isNoEcho(code: YAMLError['code']): boolean {
  return code === 'TAB_AS_INDENT' || code === 'MULTIPLE_DOCS' || isRecoverable({ code });
}

/** A fault of the notation, in words for people that write job files rather than parsers. */
export function yamlFault({ code, message, pos: [start, end] }: YAMLError, text: string): string {
  const lack = code === 'MISSING_CHAR' ? missing.find(([said]) => said.test(message))?.[1] : undefined;
  return lack ?? words[code]?.(text, start, end) ?? `${message.replace(/\.$/, '')}.`;
}

function keyAt(text: string, offset: number): string {
  return /^[^\s:]{1,64}/.exec(text.slice(offset, offset + 64))?.[0] ?? 'of this line';
}
