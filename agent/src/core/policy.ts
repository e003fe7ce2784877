import {
  fits,
  keptForOutputs,
  lacking,
  type MutableCapacity,
  needOf,
  offeredBy,
  subtract,
} from '@capacloud/protocol/capacity/capacity';
import type { Device, Offer } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import { checkMounts } from '@capacloud/protocol/job/job-mounts';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { AttemptPhase, AttemptRecord } from './attempt-record.ts';
import { nounOf, own, type Sentence, say } from './sentence.ts';

/** A hello frame is at most 64 KiB, with its devices; this many attempts fit. */
export const maxHeldAttempts = 512;

/** Most items one attempt adds to the outbox: four stages and its end. */
export const itemsPerAttempt = 5;

const occupying: ReadonlySet<AttemptPhase> = new Set(['starting', 'running', 'collecting']);

/** Whether the attempt holds resources of the machine. One in `preparing` does so once that step has begun. */
export function occupies(record: AttemptRecord, preparing: boolean): boolean {
  return occupying.has(record.phase) || (record.phase === 'preparing' && preparing);
}

const beforeImage: ReadonlySet<AttemptPhase> = new Set(['pulling', 'fetching', 'preparing']);

/** Whether the image of an attempt must stay on the engine. */
export function needsImage(phase: AttemptPhase): boolean {
  return beforeImage.has(phase) || occupying.has(phase);
}

/** Why the node could never run this, or undefined. That it has no room just now is no reason: it waits. */
export function refusalReason(assignment: Assignment, offer: Offer): Sentence | undefined {
  const { checkpoint, inputs, outputs } = assignment;
  if (checkpoint !== undefined && checkMounts(inputs, outputs, checkpoint).length > 0)
    return say`Its checkpoint needs a folder of its own.`;
  const [short] = lacking(offeredBy(offer), needOf(assignment.resources));
  if (short !== undefined) return say`It asks for more ${nounOf(short)} than the owner offers.`;
  if (!offer.allowRoot && /^0+(:|$)/.test(assignment.user ?? ''))
    return say`The owner does not allow containers that run as root.`;
  for (const id of assignment.devices) {
    const device = offer.devices.find((entry) => entry.id === id);
    if (device === undefined) return say`The node has no device ${own(id)}.`;
    if (device.health === 'quarantined') return say`Device ${own(id)} is quarantined.`;
    if (assignment.resources.devices?.shareMilli !== undefined && device.shareable !== true)
      return say`The owner does not let tasks share device ${own(id)}.`;
  }
  return undefined;
}

/**
 * Room that is left on the machine. The coordinator counts an attempt that it stopped as gone at once, the
 * node only when its container has ended, so an assignment may have to wait here for a moment.
 */
export class Room {
  readonly #free: MutableCapacity;
  /** Thousandths left of each device. */
  readonly #devices: Map<string, number>;

  constructor(offer: Offer) {
    this.#free = offeredBy(offer);
    this.#devices = new Map(offer.devices.map((device: Device) => [device.id, 1000]));
  }

  fits(assignment: Assignment): boolean {
    return (
      fits(this.#free, needOf(assignment.resources)) &&
      assignment.devices.every((id) => (this.#devices.get(id) ?? 0) >= milliOf(assignment))
    );
  }

  /** The task has ended, and its outputs wait here until the coordinator has room for them. */
  takeForOutputs({ resources }: Assignment): void {
    subtract(this.#free, keptForOutputs(resources));
  }

  /** May go below zero: the owner can shrink the offer under running attempts, which stay. */
  take(assignment: Assignment): void {
    subtract(this.#free, needOf(assignment.resources));
    for (const id of assignment.devices) {
      const left = this.#devices.get(id);
      if (left !== undefined) this.#devices.set(id, left - milliOf(assignment));
    }
  }
}

/** A device that comes without having been asked for counts as a whole one. */
function milliOf({ resources }: Assignment): number {
  return resources.devices === undefined ? 1000 : deviceMilli(resources.devices);
}

export interface Acceptance {
  /** The owner pauses, or the agent is going down. */
  readonly paused: boolean;
  readonly engineReachable: boolean;
  readonly heldAttempts: number;
  readonly outboxItems: number;
  readonly outboxLimit: number;
  /** Why the disk of the state folder takes no writes; undefined while it does. */
  readonly storageFault: string | undefined;
}

/** Why no new work is taken, or undefined. A full outbox stops new work, because nothing in it may be dropped. */
export function closedReason(state: Acceptance): Sentence | undefined {
  if (state.paused) return say`The node takes no new work.`;
  if (state.storageFault !== undefined) return say`The disk of the node takes no writes.`;
  if (!state.engineReachable) return say`The container engine cannot be reached.`;
  if (state.heldAttempts >= maxHeldAttempts) return say`The node holds too many attempts.`;
  if (state.outboxItems + (state.heldAttempts + 1) * itemsPerAttempt > state.outboxLimit)
    return say`Too many reports wait for the coordinator.`;
  return undefined;
}
