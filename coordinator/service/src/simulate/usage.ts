import type {
  AttemptAssigned,
  AttemptEnded,
  AttemptReleased,
  Event,
  NodeStatus,
} from '@capacloud/core/contract/event';
import type { NodeRecord } from '@capacloud/core/slices/node/record';
import type { State } from '@capacloud/core/state';
import type { Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { NodeId } from '@capacloud/protocol/ids';
import { Level } from './level.ts';

/** The class of tasks that use no device, and of processors. */
export const cpuClass = 'cpu';

interface Pool {
  /** Thousandths that attempts hold. */
  readonly used: Level;
  /** Thousandths of the nodes that are not lost. */
  readonly offered: Level;
}

/** Thousandths times milliseconds. */
export interface Area {
  readonly used: number;
  readonly offered: number;
}

/** What is offered and held of processors and of each model of device, over time. */
export class Usage {
  readonly #pools = new Map<string, Pool>();

  constructor(at: number) {
    this.#pool(cpuClass, at);
  }

  /** Is shown each event with the state as it was before. */
  before(state: State, event: Event): void {
    switch (event.type) {
      case 'node.status_changed':
        this.#statusChanged(state, event.at, event.node, event.to);
        return;
      case 'attempt.assigned':
        this.#assigned(state, event);
        return;
      case 'attempt.ended':
        if (event.released) this.#ended(state, event);
        return;
      case 'attempt.released':
        this.#released(state, event);
        return;
      case 'log.opened':
      case 'ruleset.changed':
      case 'account.opened':
      case 'account.credited':
      case 'image.poisoned':
      case 'node.joined':
      case 'node.offered':
      case 'node.forgotten':
      case 'job.submitted':
      case 'job.cancelled':
      case 'job.settled':
      case 'task.ended':
      case 'attempt.progressed':
      case 'upload.held':
      case 'subject.isolated':
      case 'subject.reinstated':
      case 'upload.resumed':
        return;
    }
  }

  /** By class of device; processors first. */
  take(at: number): ReadonlyMap<string, Area> {
    const models = [...this.#pools.entries()];
    return new Map(
      models.map(([model, { offered, used }]) => [model, { used: used.take(at), offered: offered.take(at) }]),
    );
  }

  #statusChanged(state: State, at: number, id: NodeId, to: NodeStatus): void {
    const node = state.nodes.get(id);
    if (node === undefined || counts(node.status) === counts(to)) return;
    const sign = counts(to) ? 1 : -1;
    this.#pool(cpuClass, at).offered.change(at, sign * node.offer.cpuMilli);
    for (const { model } of node.offer.devices) this.#pool(model, at).offered.change(at, sign * 1000);
  }

  #assigned(state: State, { at, devices, node, task }: AttemptAssigned): void {
    const job = state.tasks.get(task)?.job;
    const resources = job === undefined ? undefined : state.jobs.get(job)?.terms.resources;
    this.#take(state.nodes.get(node), resources, devices, at, 1);
  }

  #ended(state: State, { at, task: id }: AttemptEnded): void {
    const task = state.tasks.get(id);
    if (task?.node === undefined) return;
    const resources = state.jobs.get(task.job)?.terms.resources;
    this.#take(state.nodes.get(task.node), resources, task.devices, at, -1);
  }

  #released(state: State, { at, node: id, task }: AttemptReleased): void {
    const node = state.nodes.get(id);
    const occupancy = node?.occupied.get(task);
    if (occupancy === undefined) return;
    this.#take(node, state.jobs.get(occupancy.job)?.terms.resources, occupancy.devices, at, -1);
  }

  #take(
    node: NodeRecord | undefined,
    resources: Resources | undefined,
    devices: readonly string[],
    at: number,
    sign: 1 | -1,
  ): void {
    if (node === undefined || resources === undefined) return;
    this.#pool(cpuClass, at).used.change(at, sign * resources.cpuMilli);
    const milli = sign * deviceMilli(resources.devices);
    for (const device of devices) this.#pool(modelOf(node, device), at).used.change(at, milli);
  }

  #pool(model: string, at: number): Pool {
    let pool = this.#pools.get(model);
    if (pool === undefined) {
      pool = { used: new Level(at), offered: new Level(at) };
      this.#pools.set(model, pool);
    }
    return pool;
  }
}

function counts(status: NodeStatus): boolean {
  return status !== 'joining' && status !== 'lost' && status !== 'gone';
}

export function modelOf(node: NodeRecord, device: string): string {
  return node.offer.devices.find(({ id }) => id === device)?.model ?? cpuClass;
}
