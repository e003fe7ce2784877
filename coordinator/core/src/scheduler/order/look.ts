import {
  add,
  amountOf,
  type Capacity,
  copyOf,
  isWithin,
  loadOf,
  type MutableCapacity,
  subtract,
} from '@capacloud/protocol/capacity/capacity';
import type { Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { AccountId, NodeId } from '@capacloud/protocol/ids';
import type { ReadOnly } from '../../read-only.ts';
import type { Task } from '../../slices/attempt/record.ts';
import type { Job } from '../../slices/job/record.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import { type DeviceRoom, deviceRoomOf } from '../fit/device-room.ts';
import { chooseDevices, matchesDevice } from '../fit/feasibility.ts';
import type { NodeChanges } from './node-changes.ts';
import type { NodeTable } from './node-table.ts';
import type { Space } from './task-mix.ts';

/** What one look may cost, some milliseconds each: estimates of what a placement makes unusable, and nodes looked at anew. */
export const lookLimits = { weighings: 512, examinations: 16_384 } as const;

const noDevices: readonly string[] = [];
const isAny = (): boolean => true;

export interface Assignment {
  readonly task: ReadOnly<Task>;
  readonly node: ReadOnly<NodeRecord>;
  readonly devices: readonly string[];
  readonly rateNano: string;
  /** It is sold for less, and so that it may be stopped for others. */
  readonly isInterruptible: boolean;
  /** Absent for the first of the job's alternatives. */
  readonly alternative?: number;
}

/** What a node has left once the assignments made so far in this look have happened. */
interface Plan {
  readonly free: MutableCapacity;
  readonly node: ReadOnly<NodeRecord>;
  /** Of the node, as it was when the look first gave away something of it. */
  readonly nodeRevision: number;
  load: number;
  /** As of a node, and like no node's. */
  revision: number;
  /** Undefined until somebody asks. */
  deviceRoom: DeviceRoom | undefined;
  /** Thousandths of devices that were given away. */
  readonly given: Map<string, number>;
}

/** One look at the queue: nodes as the state has them, less what the look has given away. */
export class Look {
  /** Open by the state, but going away in this very decision. */
  readonly excluded: ReadonlySet<NodeId>;
  /** Nodes that were given something, in order. */
  readonly changed: ReadOnly<NodeRecord>[] = [];
  weighings: number = lookLimits.weighings;
  examinations: number = lookLimits.examinations;
  /** Something waits only because there was no time to look at more nodes. */
  isCutShort = false;
  /** Told which node is looked at. */
  readonly busy: { node: NodeId | undefined };
  readonly #changes: NodeChanges;
  readonly #table: NodeTable;
  /** By row of the table; only nodes that were given something have one. */
  readonly #plans = new Map<number, Plan>();

  /** Of jobs with several tasks, how many the look has given to each provider. */
  readonly #owners = new Map<ReadOnly<Job>, Map<AccountId, number>>();

  constructor(
    excluded: ReadonlySet<NodeId>,
    { changes, table }: { readonly changes: NodeChanges; readonly table: NodeTable },
    busy: { node: NodeId | undefined } = { node: undefined },
  ) {
    this.excluded = excluded;
    this.busy = busy;
    this.#changes = changes;
    this.#table = table;
  }

  hasGiven(row: number): boolean {
    return this.#plans.size > 0 && this.#plans.has(row);
  }

  freeOf(node: ReadOnly<NodeRecord>): Capacity {
    return this.#plans.get(node.row)?.free ?? node.free;
  }

  loadOf(node: ReadOnly<NodeRecord>): number {
    return this.#plans.get(node.row)?.load ?? node.load;
  }

  revisionOf(node: ReadOnly<NodeRecord>): number {
    return this.#plans.get(node.row)?.revision ?? this.#changes.revisionOf(node.row);
  }

  usedMilli(node: ReadOnly<NodeRecord>, device: string): number {
    const used = node.deviceUse.size === 0 ? 0 : (node.deviceUse.get(device) ?? 0);
    const plan = this.#plans.size === 0 ? undefined : this.#plans.get(node.row);
    // guard: give a device once
    return plan === undefined ? used : used + (plan.given.get(device) ?? 0);
  }

  /** The devices that a task would get, for which there must be room. */
  devicesFor(node: ReadOnly<NodeRecord>, { devices }: Resources): readonly string[] {
    if (devices === undefined) return noDevices;
    // Where all are alike, all suit: there is room.
    const suits = this.deviceRoomOf(node).kind === undefined ? matchesDevice : isAny;
    return chooseDevices(node.offer, devices, (id) => this.usedMilli(node, id), suits) ?? noDevices;
  }

  /** Whether all that the look has given away of the node was there. What is given twice is found before it is in the log. */
  hasRoomFor(node: ReadOnly<NodeRecord>, devices: readonly string[]): boolean {
    if (!isWithin(this.freeOf(node))) return false;
    for (const device of devices) if (this.usedMilli(node, device) > 1000) return false;
    return true;
  }

  deviceRoomOf(node: ReadOnly<NodeRecord>): DeviceRoom {
    const plan = this.#plans.size === 0 ? undefined : this.#plans.get(node.row);
    if (plan === undefined) return this.#table.deviceRoomOf(node.row);
    const { kind } = this.#table.deviceRoomOf(node.row);
    plan.deviceRoom ??= deviceRoomOf(node.offer.devices, kind, (id) => this.usedMilli(node, id));
    return plan.deviceRoom;
  }

  spaceOf(node: ReadOnly<NodeRecord>): Space {
    const free = this.freeOf(node);
    const { devices } = node.offer;
    return {
      slots: amountOf(free, 'slots'),
      cpuMilli: amountOf(free, 'cpuMilli'),
      memoryBytes: amountOf(free, 'memoryBytes'),
      devices,
      freeMilli: devices.map(({ health, id }) =>
        health === 'healthy' ? 1000 - this.usedMilli(node, id) : 0,
      ),
    };
  }

  give(
    job: ReadOnly<Job>,
    node: ReadOnly<NodeRecord>,
    resources: Resources,
    devices: readonly string[],
  ): void {
    const plan = this.#planOf(node);
    subtract(plan.free, job.need);
    this.#give(plan, devices, deviceMilli(resources.devices));
    this.#countOwner(job, node, 1);
  }

  /** It was given in this look, and is not to be. */
  takeBack(
    job: ReadOnly<Job>,
    node: ReadOnly<NodeRecord>,
    resources: Resources,
    devices: readonly string[],
  ): void {
    const plan = this.#planOf(node);
    add(plan.free, job.need);
    this.#give(plan, devices, -deviceMilli(resources.devices));
    this.#countOwner(job, node, -1);
  }

  /** Nodes of which the look gave away something that did not happen: it was taken back, or the decision was dropped. */
  *untouched(): Iterable<ReadOnly<NodeRecord>> {
    for (const [row, { node, nodeRevision }] of this.#plans)
      if (node.row === row && this.#changes.revisionOf(row) === nodeRevision) yield node;
  }

  /** How many tasks of the job are on nodes of the provider. */
  tasksWith(job: ReadOnly<Job>, provider: AccountId): number {
    return (job.owners.get(provider) ?? 0) + (this.#owners.get(job)?.get(provider) ?? 0);
  }

  #countOwner(job: ReadOnly<Job>, { provider }: ReadOnly<NodeRecord>, times: 1 | -1): void {
    if (job.tasks.length === 1) return;
    let owners = this.#owners.get(job);
    if (owners === undefined) this.#owners.set(job, (owners = new Map()));
    owners.set(provider, (owners.get(provider) ?? 0) + times);
  }

  #planOf(node: ReadOnly<NodeRecord>): Plan {
    const known = this.#plans.get(node.row);
    if (known !== undefined) return known;
    const { load, row } = node;
    const deviceRoom = this.#table.deviceRoomOf(row);
    const nodeRevision = this.#changes.revisionOf(row);
    const free = copyOf(node.free);
    const plan: Plan = { free, node, nodeRevision, load, deviceRoom, revision: 0, given: new Map() };
    this.#plans.set(node.row, plan);
    return plan;
  }

  /** What is left of the node is another: so much of each device was given away. */
  #give(plan: Plan, devices: readonly string[], milli: number): void {
    const { given, node } = plan;
    for (const id of devices) given.set(id, (given.get(id) ?? 0) + milli);
    if (devices.length > 0) plan.deviceRoom = undefined;
    plan.load = loadOf(node.offer, plan.free);
    plan.revision = this.#changes.nextPlan();
    this.changed.push(node);
  }
}
