/** A rung is a sixteenth of a doubling of the price, about 4 %. */
const rungsPerDoubling = 16;
const rungs = 1024;
const wordBits = 32;
/** Places that were left are kept until there are more of them than these, and than a third of the others. */
const fewHoles = 8;
const hole = -1;

/** How far somebody has climbed. */
export interface Climb {
  rung: number;
  /** On that rung, which he has seen up to this number; the place behind it stands while the rung is as old. */
  number: number;
  place: number;
  age: number;
}

/** Rows in the order in which they came, each with a number of its own. */
class Rung {
  rows: number[] = [];
  numbers: number[] = [];
  holes = 0;
  /** Rises when places move. */
  age = 0;

  get isEmpty(): boolean {
    return this.holes === this.rows.length;
  }

  next(climb: Climb): number | undefined {
    if (climb.age !== this.age) {
      climb.age = this.age;
      climb.place = this.#placeAfter(climb.number);
    }
    while (climb.place < this.rows.length) {
      const row = this.rows[climb.place] ?? hole;
      climb.number = this.numbers[climb.place] ?? 0;
      climb.place += 1;
      if (row !== hole) return row;
    }
    return undefined;
  }

  #placeAfter(number: number): number {
    let low = 0;
    let high = this.numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.numbers[middle] ?? 0) > number) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/**
 * Rows of the table of nodes by price: the cheapest first, and within a few percent in the order in which they were put
 * there. A row is put and taken off in constant time, and a climb that goes on meanwhile misses none that stays.
 */
export class PriceLadder {
  readonly #rungs: (Rung | undefined)[] = Array.from({ length: rungs }, () => undefined);
  /** Bits of the rungs that are not empty. */
  readonly #filled = new Int32Array(rungs / wordBits);
  /** By row: its rung (below 0 for none), its place there and its price. */
  readonly #rungOf: number[] = [];
  readonly #placeOf: number[] = [];
  readonly #priceOf: number[] = [];
  #numbers = 0;

  /** `price` is 0 or more. A row that is there already stays where it is, unless its price is another. */
  put(row: number, price: number): void {
    const known = this.#rungOf[row] ?? -1;
    if (known >= 0 && this.#priceOf[row] === price) return;
    const index = rungOf(price);
    this.#priceOf[row] = price;
    if (index === known) return;
    this.remove(row);
    const rung = (this.#rungs[index] ??= new Rung());
    this.#numbers += 1;
    this.#rungOf[row] = index;
    this.#placeOf[row] = rung.rows.push(row) - 1;
    rung.numbers.push(this.#numbers);
    this.#fill(index, true);
  }

  remove(row: number): void {
    const index = this.#rungOf[row] ?? -1;
    const rung = this.#rungs[index];
    if (rung === undefined) return;
    this.#rungOf[row] = -1;
    rung.rows[this.#placeOf[row] ?? 0] = hole;
    rung.holes += 1;
    if (rung.holes > fewHoles && 4 * rung.holes > rung.rows.length) this.#close(rung);
    if (rung.isEmpty) this.#fill(index, false);
  }

  /** The next row; undefined at the top. */
  next(climb: Climb): number | undefined {
    while (climb.rung < rungs) {
      const row = this.#rungs[climb.rung]?.next(climb);
      if (row !== undefined) return row;
      climb.rung = this.#filledFrom(climb.rung + 1);
      climb.number = 0;
      climb.place = 0;
      climb.age = this.#rungs[climb.rung]?.age ?? 0;
    }
    return undefined;
  }

  /** Takes the holes out. */
  #close(rung: Rung): void {
    const { numbers, rows } = rung;
    rung.rows = [];
    rung.numbers = [];
    for (const [place, row] of rows.entries()) {
      if (row === hole) continue;
      this.#placeOf[row] = rung.rows.push(row) - 1;
      rung.numbers.push(numbers[place] ?? 0);
    }
    rung.holes = 0;
    rung.age += 1;
  }

  #fill(rung: number, isFilled: boolean): void {
    const word = Math.trunc(rung / wordBits);
    const bit = 1 << (rung % wordBits);
    const before = this.#filled[word] ?? 0;
    this.#filled[word] = isFilled ? before | bit : before & ~bit;
  }

  /** The first rung from there on that is not empty; as many as there are rungs if all are. */
  #filledFrom(rung: number): number {
    let word = Math.trunc(rung / wordBits);
    let bits = (this.#filled[word] ?? 0) & (-1 << (rung % wordBits));
    while (bits === 0 && word < this.#filled.length) {
      word += 1;
      bits = this.#filled[word] ?? 0;
    }
    return word * wordBits + (bits === 0 ? 0 : 31 - Math.clz32(bits & -bits));
  }
}

/** Where a climb begins. */
export function foot(): Climb {
  return { rung: 0, number: 0, place: 0, age: 0 };
}

function rungOf(price: number): number {
  return price < 1 ? 0 : Math.min(rungs - 1, 1 + Math.floor(Math.log2(price) * rungsPerDoubling));
}
