import type { Offer } from '@capacloud/protocol/capacity/resources';
import { mustGet } from '../../assert.ts';
import type { DeviceFault, ImagePoisoned, NodeOffered } from '../../contract/event.ts';
import type { Ruleset } from '../../contract/ruleset.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { Task } from '../attempt/record.ts';
import type { LastHeld, NodeRecord } from '../node/record.ts';
import { imageOf, spare } from '../node/standing.ts';
import type { ImageRecord, Job } from './record.ts';

/** Images of which something is known at a time; those that are stopped are never dropped for others. */
const maxImages = 1024;
const unknown: ImageRecord = { faults: [], until: 0 };

interface Found extends DeviceFault {
  readonly image: string;
}

/**
 * Devices that the new offer quarantines and that were healthy in the last one, each with the image whose attempts alone
 * had it. Agents quarantine a healthy device at once only for what cannot be used any more (lost, to be reset, memory that
 * is broken); heat, power and a silent driver make it suspect first, and are no job's doing. In doubt it was nobody.
 */
function faultsOf(
  state: ReadOnly<State>,
  node: ReadOnly<NodeRecord>,
  offered: NodeOffered,
): readonly Found[] {
  const { poisonAfterMs } = state.ruleset;
  if (poisonAfterMs === undefined || node.offer.devices.length === 0) return [];
  const { at, offer, provider } = offered;
  const was = new Map(node.offer.devices.map(({ health, id }) => [id, health]));
  return offer.devices.flatMap(({ health, id: device }) => {
    if (health !== 'quarantined' || was.get(device) !== 'healthy') return [];
    const images = holdersOf(state, node, device, at - poisonAfterMs);
    const [image] = images;
    // guard: blame an image that had the device alone
    return image === undefined || images.size > 1 ? [] : [{ at, device, image, node: node.id, provider }];
  });
}

function holdersOf(
  state: ReadOnly<State>,
  node: ReadOnly<NodeRecord>,
  device: string,
  since: number,
): ReadonlySet<string> {
  const images = new Set<string>();
  for (const { attempt, devices, job, task } of node.occupied.values())
    if (devices.includes(device) && hasRun(mustGet(state.tasks, task, 'task'), attempt))
      images.add(imageOf(mustGet(state.jobs, job, 'job')));
  const held = node.standing.held.find((each) => each.device === device);
  if (held !== undefined && held.at > since) images.add(held.image);
  // Which one it was does not matter: there is more than one.
  if (held !== undefined && held.otherAt > since) images.add('');
  return images;
}

/** Its program has run, as far as is known: one that was pulled or waited did nothing to a device. */
function hasRun(task: ReadOnly<Task>, attempt: number): boolean {
  // guard: blame an image that has run
  return task.attempt === attempt && task.runningSince > 0;
}

/** The attempt lets go of its devices. */
export function noteHeld(
  { ruleset }: State,
  { offer, standing }: NodeRecord,
  job: Job,
  {
    attempt,
    devices,
    task,
    at,
  }: {
    readonly attempt: number;
    readonly devices: readonly string[];
    readonly task: Task;
    readonly at: number;
  },
): void {
  const { poisonAfterMs } = ruleset;
  if (poisonAfterMs === undefined || devices.length === 0 || !hasRun(task, attempt)) return;
  const image = imageOf(job);
  const others = standing.held.filter(
    (held) => !devices.includes(held.device) && held.at + poisonAfterMs > at,
  );
  const now = devices.map((device) => heldNow(standing.held, device, image, at));
  standing.held = withoutGone([...others, ...now], offer);
}

function heldNow(before: readonly LastHeld[], device: string, image: string, at: number): LastHeld {
  const last = before.find((held) => held.device === device);
  if (last === undefined) return { at, device, image, otherAt: 0 };
  return { at, device, image, otherAt: last.image === image ? last.otherAt : last.at };
}

/** With these, and without what is too long ago; one for each provider, the newest. */
function withFaults(
  ruleset: Ruleset,
  before: ImageRecord,
  faults: readonly Found[],
  at: number,
): ImageRecord {
  const byProvider = new Map<string, DeviceFault>();
  for (const fault of before.faults) {
    // guard: forget faults of long ago
    if (fault.at + (ruleset.poisonEvidenceMs ?? 0) > at) byProvider.set(fault.provider, fault);
  }
  for (const { image: _, ...fault } of faults) byProvider.set(fault.provider, fault);
  return { faults: [...byProvider.values()].slice(-(ruleset.poisonNodes ?? 0)), until: before.until };
}

function byImage(faults: readonly Found[]): ReadonlyMap<string, readonly Found[]> {
  return Map.groupBy(faults, ({ image }) => image);
}

/** What follows when the node makes this offer. */
export function poisonedBy(
  state: ReadOnly<State>,
  node: ReadOnly<NodeRecord>,
  offered: NodeOffered,
): readonly ImagePoisoned[] {
  const { at } = offered;
  const { poisonMs = 0, poisonNodes = Number.POSITIVE_INFINITY } = state.ruleset;
  return [...byImage(faultsOf(state, node, offered))].flatMap(([image, found]) => {
    const before = state.images.get(image) ?? unknown;
    if (before.until > at) return [];
    const { faults } = withFaults(state.ruleset, before, found, at);
    // guard: stop an image that ruins devices
    return faults.length < poisonNodes
      ? []
      : [{ at, faults, image, type: 'image.poisoned', until: at + poisonMs } as const];
  });
}

/** Before the offer is taken. */
export function noteFaults(state: State, node: NodeRecord, offered: NodeOffered): void {
  for (const [image, found] of byImage(faultsOf(state, node, offered))) {
    const before = state.images.get(image) ?? unknown;
    if (before.until > offered.at) continue;
    setImage(state, image, withFaults(state.ruleset, before, found, offered.at), offered.at);
  }
  node.standing.held = withoutGone(node.standing.held, offered.offer);
}

function withoutGone(held: readonly LastHeld[], { devices }: Offer): readonly LastHeld[] {
  if (held.length === 0) return held;
  return held.filter(({ device }) => devices.some(({ id }) => id === device));
}

function setImage({ images, stopped }: State, image: string, record: ImageRecord, at: number): void {
  images.delete(image);
  for (const [old, { until }] of images) {
    if (images.size < maxImages) break;
    // A stopped image is remembered as long as jobs of it have to end.
    if (until <= at && stopped.size === 0) images.delete(old);
    else if (until === 0) images.delete(old);
  }
  images.set(image, record);
}

/** The image is stopped: its jobs end, and no node is blamed for what became of them. */
function applyPoisoned(state: State, { at, image, until }: ImagePoisoned): void {
  setImage(state, image, { faults: [], until }, at);
  // guard: spare nodes what a stopped image did to them
  for (const node of state.nodes.values()) spare(state, node, image, at);
  stopJobs(state);
}

/** Which jobs are stopped follows from the images: all that were submitted before theirs was. */
export function stopJobs(state: State): void {
  state.stopped.clear();
  for (const job of state.jobs.values()) {
    job.isStopped = job.submittedAt < (state.images.get(imageOf(job))?.until ?? 0);
    if (job.isStopped) state.stopped.add(job);
  }
}

export const imageEvents = { 'image.poisoned': applyPoisoned };
