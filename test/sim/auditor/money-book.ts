import type { AttemptEnded, Offer, Resources, Ruleset } from './entry.ts';
import { check, fail } from './observation.ts';
import type { TaskFacts } from './task-facts.ts';

const gib = 2n ** 30n;

/** What an offer asks an hour for these resources, in nano-CAPA: everything added exactly, then rounded up once. */
export function priceAnHour({ ask }: Offer, wanted: Resources): bigint {
  const wish = wanted.devices;
  const milliDevices = wish === undefined ? 0 : (wish.shareMilli ?? 1000) * wish.count;
  const milliGib =
    BigInt(wanted.cpuMilli) * BigInt(ask.cpuHourNano) * gib +
    1000n * BigInt(wanted.memoryBytes) * BigInt(ask.memoryGibHourNano) +
    1000n * BigInt(wanted.diskBytes) * BigInt(ask.diskGibHourNano) +
    gib * BigInt(milliDevices) * BigInt(ask.deviceHourNano);
  const unit = 1000n * gib;
  return milliGib / unit + (milliGib % unit === 0n ? 0n : 1n);
}

/** What is left of a price when so much is taken off: rounded up. */
export function lessPercent(rate: bigint, percent: number): bigint {
  const hundredths = rate * BigInt(100 - percent);
  return hundredths / 100n + (hundredths % 100n === 0n ? 0n : 1n);
}

/** What a run of so many milliseconds costs: rounded up, within the hold; the provider's share is rounded down. */
export function priceOfRun(
  rateNano: bigint,
  meteredMs: number,
  holdNano: bigint,
  feeBasisPoints: number,
): { charge: bigint; pay: bigint; fee: bigint } {
  const hours = rateNano * BigInt(meteredMs);
  let charge = hours / 3_600_000n + (hours % 3_600_000n === 0n ? 0n : 1n);
  if (charge > holdNano) charge = holdNano;
  const pay = (charge * BigInt(10_000 - feeBasisPoints)) / 10_000n;
  return { charge, pay, fee: charge - pay };
}

/** What a success costs is what the node claims, within the coordinator's own clock and the longest run allowed. */
export function checkCharge({ at, task: id, then }: AttemptEnded, task: TaskFacts, rules: Ruleset): void {
  if (then.kind !== 'succeeded') return;
  const { holdNano, runTimeoutMs, stopGraceMs } = task.job.terms;
  const since = task.runningAt > 0 && task.runningAt < at ? task.runningAt : task.assignedAt;
  const until = task.heldAt > 0 ? task.heldAt : at;
  const mostMs = Math.max(0, Math.min(until - since, runTimeoutMs + stopGraceMs));
  check(
    then.meteredMs >= 0 && then.meteredMs <= mostMs,
    'money.price',
    () => `${id} is metered ${then.meteredMs} of ${mostMs} ms`,
  );
  const due = priceOfRun(task.rate, then.meteredMs, BigInt(holdNano), rules.feeBasisPoints);
  const told = [then.chargeNano, then.payNano, then.feeNano].join();
  const expected = [due.charge, due.pay, due.fee].join();
  check(told === expected, 'money.price', () => `${id} costs ${told}, due is ${expected}`);
}

interface Purse {
  available: bigint;
  /** On hold for its jobs. */
  held: bigint;
}

/** Who has what, by the log alone. */
export class MoneyBook {
  readonly #purses = new Map<string, Purse>();
  readonly #grants = new Set<string>();
  /** Holds that are open, by task. */
  readonly #holds = new Map<string, { readonly consumer: string; readonly amount: bigint }>();
  readonly #paid = new Set<string>();
  #emitted = 0n;
  #fees = 0n;
  #held = 0n;

  get paid(): ReadonlySet<string> {
    return this.#paid;
  }
  get openHolds(): number {
    return this.#holds.size;
  }
  get purses(): ReadonlyMap<string, Readonly<Purse>> {
    return this.#purses;
  }
  get fees(): bigint {
    return this.#fees;
  }

  has(account: string): boolean {
    return this.#purses.has(account);
  }

  open(account: string): void {
    check(!this.#purses.has(account), 'log.shape', () => `${account} is opened twice`);
    this.#purses.set(account, { available: 0n, held: 0n });
  }

  grant(account: string, amount: bigint, ref: string): void {
    const key = `${account} ${ref}`;
    check(amount > 0n, 'money.grant', () => `a grant of ${amount} to ${account}`);
    check(!this.#grants.has(key), 'money.grant', () => `the grant ${ref} to ${account} happens twice`);
    this.#grants.add(key);
    this.#emitted += amount;
    this.#purse(account).available += amount;
    this.#balance();
  }

  hold(consumer: string, tasks: readonly string[], amount: bigint): void {
    const purse = this.#purse(consumer);
    for (const task of tasks) {
      check(!this.#holds.has(task), 'money.holds', () => `${task} is held for twice`);
      this.#holds.set(task, { consumer, amount });
      purse.available -= amount;
      purse.held += amount;
      this.#held += amount;
    }
    check(purse.available >= 0n, 'money.overdrawn', () => `${consumer} has ${purse.available}`);
    this.#balance();
  }

  /** The task ended without success: all of its hold goes back. */
  release(task: string): void {
    const { purse, amount } = this.#spend(task);
    purse.available += amount;
    this.#balance();
  }

  pay(task: string, provider: string, pay: bigint, fee: bigint): void {
    check(!this.#paid.has(task), 'money.paid-twice', () => `${task} is paid a second time`);
    const { purse, amount } = this.#spend(task);
    check(pay + fee <= amount, 'money.price', () => `${task} costs ${pay + fee} of a hold of ${amount}`);
    this.#paid.add(task);
    this.#purse(provider).available += pay;
    this.#fees += fee;
    purse.available += amount - pay - fee;
    this.#balance();
  }

  #spend(task: string): { purse: Purse; amount: bigint } {
    const hold = this.#holds.get(task);
    if (hold === undefined) return fail('money.holds', `the hold of ${task} ends twice`);
    this.#holds.delete(task);
    const purse = this.#purse(hold.consumer);
    purse.held -= hold.amount;
    this.#held -= hold.amount;
    return { purse, amount: hold.amount };
  }

  /** Sums anew, with a few accounts a cheap thing to do: what was emitted is somewhere, once. */
  #balance(): void {
    let sum = this.#fees + this.#held;
    for (const { available } of this.#purses.values()) sum += available;
    check(sum === this.#emitted, 'money.holds', () => `${this.#emitted} was emitted and ${sum} is there`);
  }

  #purse(account: string): Purse {
    return this.#purses.get(account) ?? fail('log.shape', `there is no account ${account}`);
  }
}
