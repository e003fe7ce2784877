import { styleText } from 'node:util';
import stringWidth from 'string-width';

type Tone = 'dim' | 'bold' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan';
/** Colours a text, or leaves it alone where colours are not wanted. */
export type Paint = (tone: Tone, text: string) => string;

export interface Output {
  readonly isTty: boolean;
  readonly columns: number;
  readonly paint: Paint;
  readonly write: (text: string) => void;
  /** Resolves when everything was written or cannot be. */
  readonly settle: () => Promise<void>;
}

/** Data goes to `out`; everything that is said about it goes to `err`. */
export interface Terminal {
  readonly out: Output;
  readonly err: Output;
  /** Whether lines of `err` may be redrawn. */
  readonly isLive: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `onLost` is told when standard output cannot be written any more: its reader has gone, or its disk is full. */
export function openTerminal(
  stdout: NodeJS.WriteStream,
  stderr: NodeJS.WriteStream,
  env: Environment,
  onLost: (error: NodeJS.ErrnoException) => void,
): Terminal {
  // There is nowhere to say that standard error is lost.
  const err = outputTo(stderr, env, () => undefined);
  return {
    out: outputTo(stdout, env, onLost),
    err,
    isLive: err.isTty && env.TERM !== 'dumb' && !isSet(env.CI),
  };
}

function outputTo(
  stream: NodeJS.WriteStream,
  env: Environment,
  onLost: (error: NodeJS.ErrnoException) => void,
): Output {
  const isTty = stream.isTTY === true;
  const isColoured = wantsColour(isTty, env);
  let isLost = false;
  stream.on('error', (error) => {
    if (!isLost) onLost(error);
    isLost = true;
  });
  return {
    isTty,
    get columns() {
      return isTty && stream.columns > 0 ? stream.columns : Number.POSITIVE_INFINITY;
    },
    paint: isColoured
      ? (tone, text) => (text === '' ? '' : styleText(tone, text, { validateStream: false }))
      : (_, text) => text,
    write: (text) => {
      if (!isLost) stream.write(text);
    },
    settle: async () => {
      if (!isLost) await new Promise<void>((resolve) => stream.write('', () => resolve()));
    },
  };
}

/** https://no-color.org and https://force-color.org: any value that is not empty. */
function wantsColour(isTty: boolean, env: Environment): boolean {
  if (isSet(env.NO_COLOR)) return false;
  if (isSet(env.FORCE_COLOR)) return env.FORCE_COLOR !== '0';
  return isTty && env.TERM !== 'dumb';
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

// oxlint-disable-next-line no-control-regex -- the sequences that `paint` writes
const sequence = /\u001b\[[0-9;]*m/g;

/** What a reader sees as one character may be several code points, such as an emoji of a family. */
const segmenter = new Intl.Segmenter();

/** The text, cut with an ellipsis when it is wider. Its colours and characters stay whole. */
export function clip(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = '';
  let width = 0;
  let isCut = columns < 1;
  let at = 0;
  for (const match of [...text.matchAll(sequence), undefined]) {
    for (const { segment } of segmenter.segment(text.slice(at, match?.index))) {
      if (isCut) break;
      width += stringWidth(segment);
      isCut = width > columns - 1;
      kept += isCut ? '…' : segment;
    }
    kept += match?.[0] ?? '';
    at = (match?.index ?? 0) + (match?.[0].length ?? 0);
  }
  return kept;
}

/** The lines of a text, broken between words; lines after the first keep the indentation of the first. */
export function wrap(text: string, columns: number): readonly string[] {
  if (stringWidth(text) <= columns) return [text];
  const indent = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = '';
  for (const word of text.trim().split(/ +/)) {
    const longer = line === '' ? indent + word : `${line} ${word}`;
    if (line !== '' && stringWidth(longer) > columns) {
      lines.push(line);
      line = indent + word;
    } else line = longer;
  }
  return [...lines, line];
}
