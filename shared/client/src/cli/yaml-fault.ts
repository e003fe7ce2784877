import type { YAMLError } from 'yaml';

/** Faults after which the rest of the file can still be judged. */
export function isRecoverable({ code }: YAMLError): boolean {
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
  BAD_SCALAR_START: (text, start) =>
    `Text that begins with ${text.slice(start, start + 1)} needs quotes around it.`,
};

/** A fault of the notation, in words for people that write job files rather than parsers. */
export function yamlFault({ code, message, pos: [start, end] }: YAMLError, text: string): string {
  return words[code]?.(text, start, end) ?? `${message.replace(/\.$/, '')}.`;
}

function keyAt(text: string, offset: number): string {
  return /^[^\s:]{1,64}/.exec(text.slice(offset, offset + 64))?.[0] ?? 'of this line';
}
