import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, NodeId } from '@capacloud/protocol/ids';
import { broken, mustGet } from '../assert.ts';
import type { Place, Tick } from '../contract/command.ts';
import type { Event } from '../contract/event.ts';
import type { Ruleset } from '../contract/ruleset.ts';
import { Decision } from '../decision.ts';
import type { ReadOnly } from '../read-only.ts';
import type { Task } from '../slices/attempt/record.ts';
import { afterFailure } from '../slices/attempt/retry.ts';
import { isActive, isTerminal } from '../slices/attempt/task-states.ts';
import { holdReasons } from '../slices/attempt/upload-hold.ts';
import { isFrozen } from '../slices/isolation/isolation.ts';
import { isLate } from '../slices/job/events.ts';
import type { Job } from '../slices/job/record.ts';
import { restingStatus } from '../slices/node/commands.ts';
import { forgetAway } from '../slices/node/forgotten.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import type { State } from '../state.ts';
import { Look } from './order/look.ts';
import { placeTasks } from './placement.ts';
import type { Busy, ScheduleNotes } from './schedule-notes.ts';

/** Ends of attempts and of waits in one tick; what is left over is due at the next. */
export const maxEndsPerTick = 1024;
/**
 * Events about silent and returning nodes in one tick, give or take the attempts of the last node. Without this bound a cut of
 * the coordinator's own network would turn 100,000 nodes into one decision of 200,000 events, which takes almost a second.
 */
export const maxContactEventsPerTick = 1024;
const nobody: ReadonlySet<NodeId> = new Set();

export function decidePlace(state: ReadOnly<State>, notes: ScheduleNotes, { at }: Place): readonly Event[] {
  notes.follow(state);
  const events: Event[] = [];
  place({ state, notes, at, leaving: nobody, events });
  return events;
}

/** What the parts of a tick work on. */
interface TickWork {
  readonly state: ReadOnly<State>;
  readonly busy: Busy;
  readonly decision: Decision;
  readonly tick: Tick;
  /** How many more attempts and waits may end in it. */
  readonly budget: { left: number };
}

/** What time alone has changed, then a place. */
export function decideTick(state: ReadOnly<State>, notes: ScheduleNotes, tick: Tick): readonly Event[] {
  notes.follow(state);
  const { at } = tick;
  const { busy } = notes;
  const decision = new Decision(state, at);
  const leaving = new Set<NodeId>();
  beginBusy(busy, false);
  const work: TickWork = { state, busy, decision, tick, budget: { left: maxEndsPerTick } };
  judgeContacts(work, leaving);
  // What comes next has nothing to do with the node that was looked at last.
  beginBusy(busy, false);
  // guard: end the tasks of a stopped image
  endStopped(work);
  // guard: end what overstays its clock
  endOverdue(work);
  // guard: expire what waits too long
  expireWaiting(work);
  beginBusy(busy, false);
  notes.preemptions.review(state, notes, decision, leaving);
  beginBusy(busy, false);
  const events = [...decision.close(), ...forgetAway(state, at)];
  notes.reservations.review(state, notes, at);
  place({ state, notes, at, leaving, events });
  return events;
}

/**
 * Tells silent and returning nodes, as many as one tick has room for. Every silent node is `leaving`, told or not, so nothing is
 * placed on it meanwhile. Losses come first, because the tasks of a lost node are free to run elsewhere.
 */
function judgeContacts({ busy, decision, state, tick: { heard } }: TickWork, leaving: Set<NodeId>): void {
  const { at, events } = decision;
  const { leaseMs, lostMarginMs, unknownAfterMs } = state.ruleset;
  const firstEvent = events.length;
  const hasRoom = (): boolean => events.length - firstEvent < maxContactEventsPerTick;
  const changed: ReadOnly<NodeRecord>[] = [];
  for (const node of state.nodes.values()) {
    if (node.status === 'lost' || node.status === 'gone' || isFrozen(state, node.id)) continue;
    busy.job = undefined;
    busy.node = node.id;
    // guard: hear nodes between their events
    const silentMs = at - Math.max(heard.get(node.id)?.lastAt ?? 0, node.heardAt);
    const isSilent = silentMs >= unknownAfterMs;
    // guard: place nothing on a node that goes away now
    if (isSilent) leaving.add(node.id);
    // LEASE-1
    // guard: wait for the lease and its margin
    if (isSilent && silentMs >= leaseMs + lostMarginMs && !holdsFrozen(state, node)) {
      // guard: lose silent nodes
      if (hasRoom()) loseNode(state, busy, decision, node);
    } else if (isSilent !== (node.status === 'unknown') && changed.length < maxContactEventsPerTick) {
      changed.push(node);
    }
  }
  for (const node of changed) {
    if (!hasRoom()) return;
    if (node.status === 'unknown') welcomeBack(decision, node);
    else events.push({ at, cause: 'silent', node: node.id, to: 'unknown', type: 'node.status_changed' });
  }
}

/** With the node, its attempts would end. Those of a job that time leaves as it is must not. */
function holdsFrozen(state: ReadOnly<State>, node: ReadOnly<NodeRecord>): boolean {
  if (state.isolated.size === 0) return false;
  for (const { job } of node.occupied.values()) if (isFrozen(state, job)) return true;
  return false;
}

/** What a decision is about before it is anything else. */
function beginBusy(busy: Busy, isPlacing: boolean): void {
  busy.isPlacing = isPlacing;
  busy.job = undefined;
  busy.node = undefined;
}

function welcomeBack({ at, events }: Decision, node: ReadOnly<NodeRecord>): void {
  const to = restingStatus(node.directive, node.accepting);
  events.push({ at, cause: 'connected', node: node.id, to, type: 'node.status_changed' });
  if (to === 'draining' && node.occupied.size === 0) {
    events.push({ at, cause: 'drained', node: node.id, to: 'gone', type: 'node.status_changed' });
  }
}

/** By now its agent has stopped whatever ran there: its leases have lapsed. */
function loseNode(state: ReadOnly<State>, busy: Busy, decision: Decision, node: ReadOnly<NodeRecord>): void {
  const { at, events } = decision;
  if (node.status !== 'unknown') {
    events.push({ at, cause: 'silent', node: node.id, to: 'unknown', type: 'node.status_changed' });
  }
  for (const { attempt, job: jobId, task: taskId } of node.occupied.values()) {
    busy.job = jobId;
    const job = mustGet(state.jobs, jobId, 'job');
    const task = mustGet(state.tasks, taskId, 'task');
    // guard: end each of a gang once
    if (task.attempt === attempt && isActive(task.state) && !decision.hasEnded(taskId)) {
      const then = afterFailure(job, task, 'node_lost', undefined, at);
      decision.endAttempt(job, task, { reason: 'node_lost', released: true, then });
    } else {
      decision.releaseAttempt(job, taskId, attempt, node);
    }
  }
  events.push({ at, cause: 'lease_lapsed', node: node.id, to: 'lost', type: 'node.status_changed' });
  // A draining node that held something goes with the close of the decision.
  if (node.directive === 'drain' && !(node.status === 'draining' && node.occupied.size > 0)) {
    events.push({ at, cause: 'removed', node: node.id, to: 'gone', type: 'node.status_changed' });
  }
}

const overdueReasons = {
  assigned: 'assignment_timeout',
  pulling: 'pull_timeout',
  starting: 'start_timeout',
  running: 'run_timeout',
  uploading: 'upload_timeout',
} as const;

function overdueReason(task: ReadOnly<Task>): TaskReason | undefined {
  if (task.held !== undefined) return holdReasons[task.held.cause];
  const stage: string = task.state;
  return Object.hasOwn(overdueReasons, stage)
    ? overdueReasons[stage as keyof typeof overdueReasons]
    : undefined;
}

/** The order of a decision must not hang on the order of an index: earliest first, then as submitted. */
function inOrder<T extends { dueAt: number }>(
  due: T[],
  seqOf: (item: T) => number,
  indexOf: (item: T) => number,
): T[] {
  return due.sort((a, b) => a.dueAt - b.dueAt || seqOf(a) - seqOf(b) || indexOf(a) - indexOf(b));
}

/**
 * Whether the end of the stage would have been told by now: the node has been heard without a break for as long as it
 * may be silent, and after the deadline, too. One that is silent is lost in time, and one that has just come back (or
 * that we have come back to) may have its word on the way. However often it comes back, it has no more than a lease.
 */
function hadItsSay(ruleset: Ruleset, task: ReadOnly<Task>, tick: Tick): boolean {
  const { leaseMs, lostMarginMs, unknownAfterMs } = ruleset;
  const { at, heard, listeningSince } = tick;
  if (at >= Math.max(task.dueAt, listeningSince) + leaseMs + lostMarginMs) return true;
  const contact = task.node === undefined ? undefined : heard.get(task.node);
  return contact !== undefined && contact.lastAt >= task.dueAt && at >= contact.sinceAt + unknownAfterMs;
}

function endOverdue({ budget, busy, decision, state, tick }: TickWork): void {
  const jobOf = (task: ReadOnly<Task>): ReadOnly<Job> => mustGet(state.jobs, task.job, 'job');
  const due = inOrder(
    state.stageClocks.due(decision.at, maxEndsPerTick),
    (task) => jobOf(task).seq,
    (task) => task.index,
  );
  for (const task of due) {
    if (budget.left <= 0) return;
    const reason = overdueReason(task);
    // guard: let a node say its say before its stage is over
    if (reason === undefined || decision.hasEnded(task.id) || !hadItsSay(state.ruleset, task, tick)) continue;
    const job = jobOf(task);
    if (job.isStopped || isFrozen(state, job.id)) continue;
    if (task.node !== undefined && isFrozen(state, task.node)) continue;
    noteBusy(busy, job, task.node);
    const then = afterFailure(job, task, reason, undefined, decision.at);
    const before = decision.events.length;
    // guard: keep the place of what may still run
    decision.endAttempt(job, task, { reason, released: false, then });
    budget.left -= decision.events.length - before;
  }
}

/** Tasks of images that were stopped: those that run as well as those that wait. */
function endStopped({ budget, busy, decision, state }: TickWork): void {
  for (const job of state.stopped) {
    if (job.live === 0 || isFrozen(state, job.id)) continue;
    noteBusy(busy, job, undefined);
    for (const task of job.tasks) {
      if (budget.left === 0) return;
      if (isTerminal(task.state) || decision.hasEnded(task.id)) continue;
      decision.stopTask(job, task);
      budget.left -= 1;
    }
  }
}

function expireWaiting({ budget, busy, decision, state }: TickWork): void {
  const due = inOrder(
    state.queueClocks.due(decision.at, maxEndsPerTick),
    (job) => job.seq,
    () => 0,
  );
  for (const job of due) {
    if (job.isStopped || isFrozen(state, job.id)) continue;
    noteBusy(busy, job, undefined);
    for (const task of job.tasks) {
      if (budget.left <= 0) return;
      // guard: expire untried tasks only
      if (task.state !== 'queued' || !isLate(job, task, decision.at)) continue;
      decision.expireTask(job, task);
      budget.left -= 1;
    }
  }
}

function noteBusy(busy: Busy, of: ReadOnly<Job> | ReadOnly<Task>, node: NodeId | undefined): void {
  busy.job = 'job' in of ? of.job : of.id;
  busy.node = node;
}

interface PlaceWork {
  readonly state: ReadOnly<State>;
  readonly notes: ScheduleNotes;
  readonly at: number;
  /** Nodes that go away in this decision. */
  readonly leaving: ReadonlySet<NodeId>;
  /** Of the decision; assignments are added. */
  readonly events: Event[];
}

function place({ at, events, leaving, notes, state }: PlaceWork): void {
  if (notes.isPaused) return;
  const { busy } = notes;
  beginBusy(busy, true);
  if (!notes.isCutShort) notes.noteNews(state);
  if (state.openNodes.size === 0 || state.waiting.size === 0) {
    notes.endLook(false);
    return;
  }
  const look = new Look(leaving, notes, busy);
  notes.beginLook(look);
  const assignments = placeTasks(at, look, notes, state);
  const opened = new Set<AccountId>();
  for (const { alternative, devices, isInterruptible, node, rateNano, task } of assignments) {
    noteBusy(busy, task, node.id);
    if (!look.hasRoomFor(node, devices)) broken(`${node.id} would be given more than it has`);
    const { provider } = node;
    // Whoever may be paid has an account; before, anybody could open any number of them by naming them.
    if (!state.accounts.has(provider) && !opened.has(provider)) {
      opened.add(provider);
      events.push({ account: provider, at, type: 'account.opened' });
    }
    const attempt = task.attempt + 1;
    const type = 'attempt.assigned';
    const event: Event = isInterruptible
      ? { at, attempt, devices, interruptible: true, node: node.id, rateNano, task: task.id, type }
      : { at, attempt, devices, node: node.id, rateNano, task: task.id, type };
    // guard: tell which alternative was chosen
    events.push(alternative === undefined ? event : { alternative, ...event });
  }
}
