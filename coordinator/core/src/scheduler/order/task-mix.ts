import type { Device, DeviceRequest, Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { ReadOnly } from '../../read-only.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import type { DeviceKind, DeviceSupply } from '../fit/device-supply.ts';
import { matchesDevice } from '../fit/feasibility.ts';
import { type DemandColumns, WholeDevices } from './whole-devices.ts';

/** Jobs that asked for devices lately; what is older says little of what comes. */
const remembered = 1024;
/** The larger, the steadier the estimate, and the dearer. */
const sequences = 16;
const sequenceTasks = 48;
/** A job of ten thousand tasks says of the mix what this many say. */
const maxWeight = 16;
/** Kinds of devices and of demands that are held against each other; there are more only where somebody plays with them. */
const maxKinds = 512;
const maxDemands = 256;

/** What a task that wants devices takes. */
interface Demand {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly request: DeviceRequest;
  readonly count: number;
  readonly milli: number;
  /** Equal where all else is. */
  readonly key: string;
}

/** As drawn from now: its place, how often it came, and how hard it pulls at each device that will do. */
interface Drawn extends Demand {
  index: number;
  /** Which of the wishes it has; others may have the same. */
  wish: number;
  weight: number;
  pull: number;
}

interface Fill {
  readonly revision: number;
  readonly generation: number;
  readonly milli: number;
}

/** What is free on one node. */
export interface Space {
  slots: number;
  cpuMilli: number;
  memoryBytes: number;
  readonly devices: readonly Device[];
  /** Thousandths free of each device, in the same order. */
  readonly freeMilli: number[];
}

/**
 * Tasks as they came lately, and how much of a node's free devices tasks like them could still fill: the rest is
 * fragments. The estimate plays the same few sequences of tasks, drawn from those seen, into whatever space it is
 * asked for. (Fragmentation as the expectation over the mix is from Weng et al., "Beware of Fragmentation", USENIX ATC
 * '23; there the next task alone counts, here whole sequences, so that processors that later tasks will lack count too.)
 */
export class TaskMix {
  readonly #supply: DeviceSupply;
  readonly #recent: Demand[] = [];
  #oldest = 0;
  #noted = 0;
  #drawnAt = 0;
  #sequences: readonly (readonly Drawn[])[] = [];
  #demands: readonly Drawn[] = [];
  /** What the demands want of a device, each once. */
  #requests: readonly DeviceRequest[] = [];
  #columns = columnsOf([]);
  /** Of the sequences, indexes of the demands. */
  #picks: readonly Uint8Array[] = [];
  readonly #wholes = new WeakMap<DeviceKind, WholeDevices>();
  readonly #fills = new WeakMap<ReadOnly<NodeRecord>, Fill>();
  #scratch = new Float64Array(64);
  /** Rises whenever other sequences are drawn; estimates of different generations do not compare. */
  generation = 0;

  constructor(supply: DeviceSupply) {
    this.#supply = supply;
  }

  /** A job was submitted. */
  note({ cpuMilli, memoryBytes, devices }: Resources, tasks: number): void {
    if (devices === undefined) return;
    const milli = deviceMilli(devices);
    const key = JSON.stringify([cpuMilli, memoryBytes, devices]);
    const demand: Demand = { cpuMilli, memoryBytes, request: devices, count: devices.count, milli, key };
    for (let n = Math.min(tasks, maxWeight); n > 0; n--) {
      if (this.#recent.length < remembered) this.#recent.push(demand);
      else {
        this.#recent[this.#oldest] = demand;
        this.#oldest = (this.#oldest + 1) % remembered;
      }
      this.#noted += 1;
    }
    // Seldom once there are many, because what was weighed by the old sequences has to be weighed again.
    const since = this.#noted - this.#drawnAt;
    if (this.generation === 0 || since >= Math.max(16, this.#recent.length / 4)) this.#draw();
  }

  /** As expectedFill, of the node as it is at the revision: every shape asks for it. */
  fillOf(node: ReadOnly<NodeRecord>, revision: number, space: Space): number {
    const known = this.#fills.get(node);
    if (known?.revision === revision && known.generation === this.generation) return known.milli;
    const milli = this.expectedFill(space);
    this.#fills.set(node, { revision, generation: this.generation, milli });
    return milli;
  }

  /** Thousandths of devices that tasks like those seen lately would fill. */
  expectedFill(space: Space): number {
    const { devices } = space;
    if (devices.length === 0 || this.#sequences.length === 0) return 0;
    const suits = devices.map((device) => this.kindOf(device).suits);
    if (this.#scratch.length < devices.length) this.#scratch = new Float64Array(devices.length);
    let total = 0;
    for (const sequence of this.#sequences) total += this.#play(sequence, space, suits);
    return total / this.#sequences.length;
  }

  #play(sequence: readonly Drawn[], space: Space, suits: readonly Uint8Array[]): number {
    const free = this.#scratch;
    const count = suits.length;
    let { slots, cpuMilli, memoryBytes } = space;
    let left = 0;
    for (let i = 0; i < count; i++) {
      const milli = space.freeMilli[i] ?? 0;
      free[i] = milli;
      left += milli;
    }
    const all = left;
    for (const demand of sequence) {
      if (left === 0 || slots === 0) break;
      if (demand.milli * demand.count > left) continue;
      if (demand.cpuMilli > cpuMilli || demand.memoryBytes > memoryBytes) continue;
      if (!put(demand, free, count, suits)) continue;
      left -= demand.milli * demand.count;
      cpuMilli -= demand.cpuMilli;
      memoryBytes -= demand.memoryBytes;
      slots -= 1;
    }
    return all - left;
  }

  /** Its kind, as the mix of now sees it. */
  kindOf(device: Device): DeviceKind {
    const kind = this.#supply.kindOf(device);
    if (kind.generation !== this.generation) this.#look(kind);
    return kind;
  }

  /** How much devices of the kind are wanted; 1 on the average. */
  loadOf(kind: DeviceKind): number {
    if (kind.generation !== this.generation) this.#look(kind);
    return kind.load;
  }

  /** The sequences as the kind sees them. */
  wholesOf(kind: DeviceKind): WholeDevices {
    if (kind.generation !== this.generation) this.#look(kind);
    let wholes = this.#wholes.get(kind);
    if (wholes?.generation !== this.generation) {
      wholes = new WholeDevices(this.generation, this.#picks, this.#columns, kind.suits);
      this.#wholes.set(kind, wholes);
    }
    return wholes;
  }

  #look(kind: DeviceKind): void {
    const { device } = kind;
    kind.generation = this.generation;
    const suits = Uint8Array.from(this.#requests, (request) => (matchesDevice(device, request) ? 1 : 0));
    kind.suits = new Uint8Array(this.#demands.length);
    kind.load = 0;
    for (const { index, pull, wish } of this.#demands) {
      if (suits[wish] !== 1) continue;
      kind.suits[index] = 1;
      kind.load += pull;
    }
  }

  /** Every demand is drawn with the same luck each time, so that equal histories give equal estimates. */
  #draw(): void {
    this.generation += 1;
    this.#drawnAt = this.#noted;
    const byKey = new Map<string, Drawn>();
    for (const demand of this.#recent) {
      const known = byKey.get(demand.key);
      if (known !== undefined) known.weight += 1;
      else byKey.set(demand.key, { ...demand, index: 0, wish: 0, weight: 1, pull: 0 });
    }
    const demands = [...byKey.values()].sort((a, b) => b.weight - a.weight || (a.key < b.key ? -1 : 1));
    this.#demands = demands.slice(0, maxDemands);
    for (const [index, demand] of this.#demands.entries()) demand.index = index;
    this.#requests = numberWishes(this.#demands);
    this.#columns = columnsOf(this.#demands);
    this.#pull();
    const lots = this.#demands.flatMap((demand) => Array.from({ length: demand.weight }, () => demand));
    let luck = 0x9e3779b9;
    const draw = (): Drawn | undefined => {
      luck = (Math.imul(luck, 1_664_525) + 1_013_904_223) >>> 0;
      return lots[Math.floor((luck / 2 ** 32) * lots.length)];
    };
    this.#sequences = Array.from({ length: sequences }, () =>
      Array.from({ length: sequenceTasks }, draw).filter((demand) => demand !== undefined),
    );
    this.#picks = this.#sequences.map((sequence) => Uint8Array.from(sequence, ({ index }) => index));
  }

  /**
   * How much each demand wants of every device that will do for it: a demand for a model of which there are few pulls
   * hard at those few. The pulls at a device add up to its load, which is 1 where nobody is particular.
   */
  #pull(): void {
    const kinds = [...this.#supply.kinds]
      .filter(({ device }) => device.health === 'healthy')
      .slice(0, maxKinds);
    const all = kinds.reduce((sum, { count }) => sum + count, 0);
    const wanted = this.#demands.reduce((sum, { count, milli, weight }) => sum + weight * count * milli, 0);
    const fits = this.#requests.map((request) =>
      kinds.reduce((sum, { count, device }) => sum + (matchesDevice(device, request) ? count : 0), 0),
    );
    for (const demand of this.#demands) {
      const fit = fits[demand.wish] ?? 0;
      const share = (demand.weight * demand.count * demand.milli) / wanted;
      demand.pull = fit === 0 ? 0 : (share * all) / fit;
    }
  }
}

/** Numbers what the demands want of a device, and gives it by that number. */
function numberWishes(demands: readonly Drawn[]): readonly DeviceRequest[] {
  const requests: DeviceRequest[] = [];
  const wishes = new Map<string, number>();
  for (const demand of demands) {
    const key = JSON.stringify({ ...demand.request, count: 1 });
    let wish = wishes.get(key);
    if (wish === undefined) wishes.set(key, (wish = requests.push(demand.request) - 1));
    demand.wish = wish;
  }
  return requests;
}

function columnsOf(demands: readonly Demand[]): DemandColumns {
  return {
    cpuMilli: Float64Array.from(demands, ({ cpuMilli }) => cpuMilli),
    memoryBytes: Float64Array.from(demands, ({ memoryBytes }) => memoryBytes),
    count: Float64Array.from(demands, ({ count }) => count),
    milli: Float64Array.from(demands, ({ milli }) => milli),
  };
}

/** Takes the fullest device that will do, or as many as are wanted; false where there are too few. */
function put(
  { index, count, milli }: Drawn,
  free: Float64Array,
  devices: number,
  suits: readonly Uint8Array[],
): boolean {
  if (count === 1) {
    let best = -1;
    let bestMilli = Number.POSITIVE_INFINITY;
    for (let i = 0; i < devices; i++) {
      const have = free[i] ?? 0;
      if (have >= milli && have < bestMilli && suits[i]?.[index] === 1) {
        best = i;
        bestMilli = have;
      }
    }
    if (best < 0) return false;
    free[best] = bestMilli - milli;
    return true;
  }
  let found = 0;
  for (let i = 0; i < devices && found < count; i++) {
    if ((free[i] ?? 0) >= milli && suits[i]?.[index] === 1) found += 1;
  }
  if (found < count) return false;
  for (let i = 0; i < devices && found > 0; i++) {
    if ((free[i] ?? 0) < milli || suits[i]?.[index] !== 1) continue;
    free[i] = (free[i] ?? 0) - milli;
    found -= 1;
  }
  return true;
}
