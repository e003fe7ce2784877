import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';

/** What answers may hold of our memory while their readers take their time. */
export interface AnswerLimits {
  readonly perAddressBytes: number;
  readonly totalBytes: number;
  /** Downloads and event streams that are open at once; each holds back its source, so it is counted and not weighed. */
  readonly perAddressStreams: number;
  readonly totalStreams: number;
  /** An answer that is not read by then is cut off. Streams look after themselves. */
  readonly readWithinMs: number;
  /** Smaller answers are not counted: the buffers of a connection hold as much anyway, and connections are counted. */
  readonly leastBytes: number;
}

export const answerLimits: AnswerLimits = {
  perAddressBytes: 16 * 2 ** 20,
  totalBytes: 128 * 2 ** 20,
  perAddressStreams: 512,
  totalStreams: 8192,
  readWithinMs: 60_000,
  leastBytes: 8 * 1024,
};

/** The response of an answer, as far as it is needed here. */
export interface AnswerTarget {
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

interface Address {
  bytes: number;
  streams: number;
  /** Oldest first. */
  readonly answers: Set<Answer>;
}
interface Answer {
  readonly bytes: number;
  readonly target: AnswerTarget;
}

/**
 * Counts the bytes of answers that were written and not yet read, by the client's address and in all. Where all of the room is
 * taken, the address that takes most of it loses its oldest answer: an honest client is served while others do not read.
 */
export class AnswersInFlight {
  readonly #limits: AnswerLimits;
  readonly #addresses = new Map<string, Address>();
  #bytes = 0;
  #streams = 0;

  constructor(limits: AnswerLimits = answerLimits) {
    this.#limits = limits;
  }

  /** Bytes of answers that wait for their readers. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether another answer may be made for this address, before any work is done for it. */
  admit(address: string): Result<undefined> {
    const known = this.#addresses.get(address);
    if (known === undefined) return accept(undefined);
    if (known.bytes >= this.#limits.perAddressBytes) return tooMuch(this.#limits);
    return known.streams >= this.#limits.perAddressStreams ? tooMany(this.#limits) : accept(undefined);
  }

  /** Counts an answer until its response closes. */
  add(address: string, bytes: number, target: AnswerTarget): Result<undefined> {
    if (bytes < this.#limits.leastBytes) return accept(undefined);
    const known = this.#addresses.get(address) ?? newAddress();
    if (known.bytes > 0 && known.bytes + bytes > this.#limits.perAddressBytes) return tooMuch(this.#limits);
    while (this.#bytes > 0 && this.#bytes + bytes > this.#limits.totalBytes)
      if (!this.#cutHeaviest(known)) return tooMuch(this.#limits);
    this.#addresses.set(address, known);
    const answer = { bytes, target };
    known.answers.add(answer);
    known.bytes += bytes;
    this.#bytes += bytes;
    const late = setTimeout(() => target.destroy(), this.#limits.readWithinMs);
    late.unref();
    target.once('close', () => {
      clearTimeout(late);
      this.#remove(address, known, answer);
    });
    return accept(undefined);
  }

  /** Counts a stream until its response closes. */
  addStream(address: string, target: AnswerTarget): Result<undefined> {
    const known = this.#addresses.get(address) ?? newAddress();
    if (known.streams >= this.#limits.perAddressStreams || this.#streams >= this.#limits.totalStreams)
      return tooMany(this.#limits);
    this.#addresses.set(address, known);
    known.streams += 1;
    this.#streams += 1;
    target.once('close', () => {
      known.streams -= 1;
      this.#streams -= 1;
      this.#forget(address, known);
    });
    return accept(undefined);
  }

  /** False where the newcomer itself is the heaviest. */
  #cutHeaviest(newcomer: Address): boolean {
    let heaviest = newcomer;
    for (const each of this.#addresses.values()) if (each.bytes > heaviest.bytes) heaviest = each;
    const [oldest] = heaviest.answers;
    if (heaviest === newcomer || oldest === undefined) return false;
    this.#take(heaviest, oldest);
    oldest.target.destroy();
    return true;
  }

  #remove(address: string, known: Address, answer: Answer): void {
    this.#take(known, answer);
    this.#forget(address, known);
  }

  #take(known: Address, answer: Answer): void {
    if (!known.answers.delete(answer)) return;
    known.bytes -= answer.bytes;
    this.#bytes -= answer.bytes;
  }

  #forget(address: string, known: Address): void {
    if (known.answers.size === 0 && known.streams === 0) this.#addresses.delete(address);
  }
}

const newAddress = (): Address => ({ bytes: 0, streams: 0, answers: new Set() });

function tooMuch({ perAddressBytes }: AnswerLimits): Result<never> {
  return refuse(
    'request.rate_limited',
    `Answers to this address wait to be read, up to ${perAddressBytes / 2 ** 20} MiB of them.`,
    { hint: 'Read the answers that are on their way, or close their connections.' },
  );
}

function tooMany({ perAddressStreams }: AnswerLimits): Result<never> {
  return refuse(
    'request.rate_limited',
    `More than ${perAddressStreams} downloads and event streams are open for this address, or too many in all.`,
    { hint: 'Close some of them, then try again.' },
  );
}
