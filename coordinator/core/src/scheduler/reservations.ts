import type { JobTerms } from '../contract/command.ts';
import { hash32 } from '../hash32.ts';
import type { ReadOnly } from '../read-only.ts';
import type { Occupancy } from '../slices/attempt/occupancy.ts';
import { stageDeadline } from '../slices/attempt/stage-clock.ts';
import { isActive } from '../slices/attempt/task-states.ts';
import { optionsOf } from '../slices/job/options.ts';
import type { ConsumerQueue, Job, Lane } from '../slices/job/record.ts';
import { rateOn } from '../slices/node/asks.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import type { State } from '../state.ts';
import { isAllowed } from './fit/feasibility.ts';
import { NodeSpace, taskNeed } from './fit/node-space.ts';
import { isKeptBack, type ReviewNotes, takesWork, waitsSince } from './starvation.ts';

/** Nodes that are looked at for one reservation. */
const maxLooked = 4096;

/** A job that found no room for long, and nodes that are kept free for it. */
export interface Reservation {
  readonly job: ReadOnly<Job>;
  /** Its tasks that waited when it was made. */
  readonly ready: number;
  /** When each is expected to have room. */
  readonly nodes: ReadonlyMap<ReadOnly<NodeRecord>, number>;
  readonly until: number;
}

/**
 * Who needs much at once would wait for as long as others come who need little. So nodes are kept free for one job at a
 * time, of all that found no room for `reserveAfterMs`: those where its tasks (all of a gang, else one) have room the
 * soonest, by the clocks of what runs there. It ends when they were placed, when a node is no longer to be had, or some
 * time after room was expected; then it is another's turn.
 */
export class Reservations {
  current: Reservation | undefined;

  review(state: ReadOnly<State>, notes: ReviewNotes, at: number): void {
    const { reserveAfterMs, reserveMaxMs } = state.ruleset;
    const { keepings } = notes;
    if (this.current !== undefined) {
      if (isNeeded(state, this.current, at)) {
        for (const [node, roomAt] of this.current.nodes)
          keepings.keep(node, { job: this.current.job.id, leftMs: Math.max(0, roomAt - at) });
        return;
      }
      for (const node of this.current.nodes.keys()) keepings.free(node);
      this.current = undefined;
      notes.stir();
    }
    if (reserveAfterMs === undefined || reserveMaxMs === undefined || state.waiting.size === 0) return;
    const found = nextStarved(state, notes, at, reserveAfterMs);
    if (found === undefined) return;
    notes.waiting.noteTry(found.queue, found.lane, at);
    const { job } = found;
    const nodes = soonestRoom(state, notes, job, { at, latestAt: at + reserveMaxMs });
    if (nodes === undefined) return;
    const roomAt = Math.max(...nodes.values());
    this.current = { job, ready: job.ready, nodes, until: roomAt + reserveAfterMs };
    for (const [node, nodeAt] of nodes) keepings.keep(node, { job: job.id, leftMs: nodeAt - at });
  }
}

interface Candidate {
  readonly queue: ReadOnly<ConsumerQueue>;
  readonly lane: ReadOnly<Lane>;
  readonly job: ReadOnly<Job>;
  readonly since: number;
  /** When nodes were last sought for one of its lanes. */
  readonly triedAt: number;
  readonly share: number;
}

/** The consumer that was not tried for longest; of these who uses least, and then who waits longest. */
function nextStarved(
  state: ReadOnly<State>,
  notes: ReviewNotes,
  at: number,
  afterMs: number,
): Candidate | undefined {
  let best: Candidate | undefined;
  for (const queue of state.waiting.values()) {
    const lane = starvedLane(state, notes, queue, { at, afterMs });
    const [job] = lane?.jobs ?? [];
    if (lane === undefined || job === undefined) continue;
    const since = waitsSince(job, notes.waiting.of(lane).servedAt);
    const triedAt = notes.waiting.triedAt(queue);
    const candidate = { queue, lane, job, since, triedAt, share: notes.offered.shareOf(queue.account.use) };
    if (best === undefined || comesBefore(candidate, best)) best = candidate;
  }
  return best;
}

/** The first lane of the consumer of which nothing was placed, and for which nodes were not sought, for that long. */
function starvedLane(
  state: ReadOnly<State>,
  { waiting }: ReviewNotes,
  queue: ReadOnly<ConsumerQueue>,
  { at, afterMs }: { readonly at: number; readonly afterMs: number },
): ReadOnly<Lane> | undefined {
  return queue.lanes.find((lane) => {
    const [job] = lane.jobs;
    const { servedAt, triedAt } = waiting.of(lane);
    if (job === undefined || isKeptBack(state, job) || at < triedAt + afterMs) return false;
    return at >= waitsSince(job, servedAt) + afterMs;
  });
}

function comesBefore(a: Candidate, b: Candidate): boolean {
  if (a.triedAt !== b.triedAt) return a.triedAt < b.triedAt;
  if (a.share !== b.share) return a.share < b.share;
  return a.since < b.since || (a.since === b.since && a.job.seq < b.job.seq);
}

function isNeeded(state: ReadOnly<State>, { job, nodes, ready, until }: Reservation, at: number): boolean {
  if (at >= until || isKeptBack(state, job) || job.ready < ready || state.jobs.get(job.id) !== job)
    return false;
  for (const node of nodes.keys()) if (state.nodes.get(node.id) !== node || !takesWork(node)) return false;
  return true;
}

interface Room {
  readonly node: ReadOnly<NodeRecord>;
  readonly at: number;
}

/** Nodes for the job and when they have room for it; undefined where there is not enough in time. */
function soonestRoom(
  state: ReadOnly<State>,
  { keepings, table }: ReviewNotes,
  job: ReadOnly<Job>,
  { at, latestAt }: { readonly at: number; readonly latestAt: number },
): ReadonlyMap<ReadOnly<NodeRecord>, number> | undefined {
  const needed = job.terms.gang === true ? job.live : 1;
  const roster = table.nodes;
  const start = hash32(job.id);
  for (const terms of optionsOf(job.terms)) {
    const rooms: Room[] = [];
    for (let n = 0; n < Math.min(maxLooked, roster.length); n++) {
      const node = roster[(start + n) % roster.length];
      if (node === undefined || !takesWork(node) || !isAllowed(node, terms)) continue;
      // It is being cleared for another job.
      if (keepings.of(node) !== undefined) continue;
      if (rateOn(node, terms) > terms.maxRateNano) continue;
      rooms.push(...roomsOf(state, node, terms, { needed, at, latestAt }));
    }
    if (rooms.length < needed) continue;
    rooms.sort((a, b) => a.at - b.at || (a.node.id < b.node.id ? -1 : 1));
    const nodes = new Map<ReadOnly<NodeRecord>, number>();
    for (const room of rooms.slice(0, needed))
      nodes.set(room.node, Math.max(room.at, nodes.get(room.node) ?? 0));
    return nodes;
  }
  return undefined;
}

interface Need {
  readonly needed: number;
  readonly at: number;
  readonly latestAt: number;
}

/** When the node has room for a first task, a second one and so on, if nothing new comes. */
function roomsOf(
  state: ReadOnly<State>,
  node: ReadOnly<NodeRecord>,
  terms: JobTerms,
  { needed, at, latestAt }: Need,
): readonly Room[] {
  const space = new NodeSpace(node);
  const wanted = taskNeed(terms.resources);
  const ends = [...node.occupied.values()]
    .map((occupancy) => ({ occupancy, endsAt: Math.max(at, endOf(state, occupancy, at)) }))
    .filter(({ endsAt }) => endsAt <= latestAt)
    .sort((a, b) => a.endsAt - b.endsAt);
  const rooms: Room[] = [];
  const note = (when: number): void => {
    const count = Math.min(needed, space.count(wanted));
    while (rooms.length < count) rooms.push({ node, at: when });
  };
  note(at);
  for (const { occupancy, endsAt } of ends) {
    if (rooms.length === needed) break;
    const other = state.jobs.get(occupancy.job);
    if (other === undefined) continue;
    space.give(other, occupancy);
    note(endsAt);
  }
  return rooms;
}

/** By when an attempt has let go of the node; what has not begun to run may take all its time. */
function endOf(state: ReadOnly<State>, { attempt, job: jobId, task: taskId }: Occupancy, at: number): number {
  const job = state.jobs.get(jobId);
  const task = state.tasks.get(taskId);
  if (job === undefined || task === undefined || task.attempt !== attempt || !isActive(task.state)) return at;
  if (task.state === 'running' || task.state === 'uploading')
    return stageDeadline(state.ruleset, job, task) ?? at;
  return at + job.terms.runTimeoutMs + job.terms.stopGraceMs + state.ruleset.runMarginMs;
}
