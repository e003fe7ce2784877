import { isWhatWasAsked, milliOf } from './device-match.ts';
import type { AttemptAssigned, JobTerms, Offer, Resources, Ruleset, StatusChanged } from './entry.ts';
import { lessPercent, priceAnHour } from './money-book.ts';
import { check, fail } from './observation.ts';
import { isWhereAsked, takenBy } from './wish-rules.ts';

/** From the design: joining → ready ⇄ cordoned → draining → gone, with unknown (silent) before lost; who is lost or gone may return. */
const moves: Readonly<Record<string, readonly string[]>> = {
  joining: ['ready', 'cordoned'],
  ready: ['cordoned', 'draining', 'unknown'],
  cordoned: ['ready', 'draining', 'unknown'],
  draining: ['gone', 'unknown'],
  unknown: ['ready', 'cordoned', 'draining', 'lost'],
  lost: ['ready', 'cordoned', 'draining', 'gone'],
  gone: ['ready', 'cordoned'],
};
/** The operator's wish may change while the node stays where it is. */
const wishes = ['operator_cordoned', 'operator_uncordoned', 'operator_drained'];

/** Two heartbeats, of 5 s at most, are missed: a little less, because the coordinator's clock may run a little fast. */
const pauseMs = 9_000;

interface Holding {
  readonly attempt: number;
  readonly takes: Resources;
  readonly devices: readonly string[];
  /** Its outputs wait for room, and it has nothing here but them. */
  readonly isDiskOnly?: true;
}

export interface NodeFacts {
  readonly id: string;
  provider: string;
  status: string;
  offer: Offer | undefined;
  accepting: boolean;
  /** Something was paid for what it did, or the operator wishes something of it. */
  isPaid: boolean;
  isWished: boolean;
  /** True time since which it has its status. */
  statusMs: number;
  /** What it was given and has not let go of, by task. */
  readonly holds: Map<string, Holding>;
  /** The log's own time of the last entry that a word of the node led to. */
  wordAt: number;
  /** True time until which acknowledgements that were sent let its agent run what it has. */
  leaseUntilMs: number;
  /** True time at which any frame of it was last read. */
  heardMs: number;
  /** True time since which it has been heard without a pause or a new session. */
  steadySinceMs: number;
  /** Its agent knows since `sinceMs` at the latest what was wanted of it at `ofMs`. */
  knows: { readonly ofMs: number; readonly sinceMs: number } | undefined;
}

function isWelcome(node: NodeFacts, offer: Offer, terms: JobTerms): boolean {
  const { providers, excludeProviders, needsRoot, runTimeoutMs } = terms;
  return (
    (providers.length === 0 || providers.includes(node.provider)) &&
    !excludeProviders.includes(node.provider) &&
    (offer.allowRoot || !needsRoot) &&
    isWhereAsked(offer, terms) &&
    !(runTimeoutMs < (offer.minRunMs ?? 0))
  );
}

function isSoldInterruptible({ interruptibleDiscountPercent }: Offer, { interruptible }: JobTerms): boolean {
  return interruptible === true && interruptibleDiscountPercent !== undefined;
}

function rateFor(offer: Offer, terms: JobTerms, takes: Resources): bigint {
  const rate = priceAnHour(offer, takes);
  return isSoldInterruptible(offer, terms)
    ? lessPercent(rate, offer.interruptibleDiscountPercent ?? 0)
    : rate;
}

/** The most that a task of the job would pay an hour on the node, within its ceiling; undefined where it may not run there. */
export function payOn(node: NodeFacts, terms: JobTerms): bigint | undefined {
  const { offer } = node;
  if (offer === undefined || !isWelcome(node, offer, terms)) return undefined;
  const options = [0, ...(terms.resources.alternatives ?? []).map((_, i) => i + 1)];
  const rates = options.flatMap((alternative) => {
    const takes = takenBy(terms.resources, alternative);
    const rate = takes === undefined ? undefined : rateFor(offer, terms, takes);
    return rate === undefined || rate > BigInt(terms.maxRateNano) ? [] : [rate];
  });
  return rates.length === 0 ? undefined : rates.reduce((most, rate) => (rate > most ? rate : most));
}

/** Nodes, and what each has been given. */
export class NodeBook {
  readonly all = new Map<string, NodeFacts>();
  /** Those that were forgotten and have not joined again, as they were. */
  readonly #past = new Map<string, NodeFacts>();

  get(id: string): NodeFacts {
    return this.all.get(id) ?? this.#past.get(id) ?? fail('log.shape', `there is no node ${id}`);
  }

  join(id: string, provider: string, at: number, nowMs: number): void {
    check(!this.all.has(id), 'node.state', () => `${id} joins twice`);
    this.#past.delete(id);
    this.all.set(id, {
      id,
      provider,
      status: 'joining',
      offer: undefined,
      accepting: false,
      isPaid: false,
      isWished: false,
      statusMs: nowMs,
      holds: new Map(),
      wordAt: at,
      leaseUntilMs: 0,
      heardMs: nowMs,
      steadySinceMs: nowMs,
      knows: undefined,
    });
  }

  /** It has left the books; what attempts of old tell of it may still be asked. */
  remove(node: NodeFacts): void {
    this.all.delete(node.id);
    this.#past.set(node.id, node);
  }

  /** A frame of it was read, the first of a session or another. */
  hear(node: NodeFacts, isHello: boolean, nowMs: number): void {
    if (isHello || nowMs - node.heardMs > pauseMs) node.steadySinceMs = nowMs;
    node.heardMs = nowMs;
  }

  offer(id: string, provider: string, offer: Offer, accepting: boolean, at: number): void {
    const node = this.get(id);
    node.provider = provider;
    node.offer = offer;
    node.accepting = accepting;
    node.wordAt = at;
  }

  changeStatus(event: StatusChanged, rules: Ruleset, nowMs: number): void {
    const node = this.get(event.node);
    const { to, cause, at } = event;
    const stays = to === node.status && (wishes.includes(cause) || cause.startsWith('owner_'));
    const allowed = stays || (moves[node.status]?.includes(to) ?? false);
    check(allowed, 'node.state', () => `${node.id} goes from ${node.status} to ${to} (${cause})`);
    if (to === 'lost' || to === 'gone')
      check(node.holds.size === 0, 'node.occupied', () => `${node.id} is ${to} and holds attempts`);
    if (to === 'lost') this.#checkLost(node, at, rules, nowMs);
    if (to === 'unknown' && cause === 'silent')
      check(at - node.wordAt >= rules.unknownAfterMs, 'node.lost-early', () => `${node.id} spoke just now`);
    if (to === 'ready')
      check(node.accepting, 'node.state', () => `${node.id} is ready and its owner takes no work`);
    if (to !== node.status) node.statusMs = nowMs;
    node.status = to;
    if (wishes.includes(cause)) node.isWished = cause !== 'operator_uncordoned';
    if (to === 'gone') node.isWished = false;
    if (cause === 'connected' || cause.startsWith('owner_')) node.wordAt = at;
  }

  /** Its attempts are given away now, so nothing may let the agent run them any more. */
  #checkLost(node: NodeFacts, at: number, rules: Ruleset, nowMs: number): void {
    const silentMs = at - node.wordAt;
    check(
      silentMs >= rules.leaseMs + rules.lostMarginMs,
      'node.lost-early',
      () => `${node.id} is lost after a silence of ${silentMs} ms by the log`,
    );
    check(
      nowMs >= node.leaseUntilMs,
      'node.lost-early',
      () => `${node.id} is lost ${node.leaseUntilMs - nowMs} ms before the lease that was acknowledged ends`,
    );
  }

  /** The node is given an attempt: it must be willing, fit, and have room beside all that it holds. */
  assign(event: AttemptAssigned, terms: JobTerms): NodeFacts {
    const node = this.get(event.node);
    const { offer, holds } = node;
    const what = `${event.task}/${event.attempt} on ${node.id}`;
    if (offer === undefined) return fail('capacity.terms', `${what}: it offers nothing`);
    check(node.status === 'ready' && node.accepting, 'node.state', () => `${what}: it is ${node.status}`);
    check(!holds.has(event.task), 'capacity.room', () => `${what}: it holds another attempt of the task`);
    const takes = takenBy(terms.resources, event.alternative);
    if (takes === undefined)
      return fail('capacity.terms', `${what}: its job has no alternative ${event.alternative}`);
    this.#checkWishes(node, offer, event, terms, takes);
    holds.set(event.task, { attempt: event.attempt, takes, devices: event.devices });
    const sum = { slots: 0, cpu: 0, memory: 0, disk: 0 };
    for (const { takes: each, isDiskOnly } of holds.values()) {
      sum.disk += each.diskBytes;
      if (isDiskOnly === true) continue;
      sum.slots += 1;
      sum.cpu += each.cpuMilli;
      sum.memory += each.memoryBytes;
    }
    const fits =
      sum.slots <= offer.slots &&
      sum.cpu <= offer.cpuMilli &&
      sum.memory <= offer.memoryBytes &&
      sum.disk <= offer.diskBytes;
    check(fits, 'capacity.room', () => `${what}: ${JSON.stringify(sum)} of ${JSON.stringify(offer)}`);
    return node;
  }

  #checkWishes(
    node: NodeFacts,
    offer: Offer,
    event: AttemptAssigned,
    terms: JobTerms,
    takes: Resources,
  ): void {
    const what = `${event.task}/${event.attempt} on ${node.id}`;
    const { devices: wish } = takes;
    check(
      isWelcome(node, offer, terms),
      'capacity.terms',
      () => `${what}: against the wishes of consumer or owner`,
    );
    const isSold = isSoldInterruptible(offer, terms);
    check(
      isSold === (event.interruptible === true),
      'capacity.terms',
      () => `${what}: interruptible is ${isSold}`,
    );
    const rate = rateFor(offer, terms, takes);
    check(`${rate}` === event.rateNano, 'money.price', () => `${what} at ${event.rateNano}, asked ${rate}`);
    check(rate <= BigInt(terms.maxRateNano), 'capacity.terms', () => `${what}: above the ceiling`);
    const given = event.devices;
    const count = new Set(given).size;
    check(
      count === given.length && count === (wish?.count ?? 0),
      'capacity.device',
      () => `${what}: given ${given.join()}, asked for ${wish?.count ?? 0}`,
    );
    for (const id of given) {
      const device = offer.devices.find((each) => each.id === id);
      const good = device !== undefined && wish !== undefined && isWhatWasAsked(device, wish);
      check(good, 'capacity.device', () => `${what}: ${id} is not what was asked for`);
      const taken = [...node.holds.values()].filter((other) => other.devices.includes(id));
      const milli = taken.reduce((sum, other) => sum + milliOf(other.takes), 0);
      check(
        milli + milliOf(takes) <= 1000,
        'capacity.device',
        () => `${what}: ${milli} thousandths of ${id} are held by others`,
      );
    }
  }

  /** What the attempt had there is free but for the disk. */
  keepDisk(id: string, task: string, attempt: number): void {
    const { holds } = this.get(id);
    const held = holds.get(task);
    if (held?.attempt !== attempt)
      return fail('node.occupied', `${id} keeps outputs of ${task}/${attempt}, which it does not hold`);
    holds.set(task, { ...held, devices: [], isDiskOnly: true });
  }

  release(id: string, task: string, attempt: number): void {
    const node = this.get(id);
    check(
      node.holds.get(task)?.attempt === attempt,
      'node.occupied',
      () => `${id} lets go of ${task}/${attempt}, which it does not hold`,
    );
    node.holds.delete(task);
  }
}
