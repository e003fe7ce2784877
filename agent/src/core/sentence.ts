import { type Dimension, rowOf } from '@capacloud/protocol/capacity/dimensions';

declare const isSentence: unique symbol;
declare const isOwn: unique symbol;

/**
 * Text that may leave the machine. What an engine, a registry or a library says could tell of the owner's network and disks,
 * so a message to a consumer is written in this program, and `say` is the one way to make one.
 */
export type Sentence = string & { readonly [isSentence]: true };

/** Text that the consumer wrote: in the job file, or in the image that it names. */
export type OwnText = string & { readonly [isOwn]: true };

/** Of a text in a sentence. */
const maxOwnChars = 200;

export function own(text: string): OwnText {
  return text.slice(0, maxOwnChars) as OwnText;
}

/** A sentence with numbers, other sentences and what the consumer wrote itself; no other text fits in. */
export function say(
  words: TemplateStringsArray,
  ...values: readonly (number | Sentence | OwnText)[]
): Sentence {
  return String.raw({ raw: words }, ...values) as Sentence;
}

/** What the table of dimensions calls it, which is a word of this program. */
export function nounOf(dimension: Dimension): Sentence {
  return rowOf(dimension).noun as Sentence;
}
