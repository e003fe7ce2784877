import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { invariant, unreachable } from './assert.ts';
import type { Command } from './contract/command.ts';
import { doubledIn } from './contract/doubled.ts';
import type { AccountCredited, Event } from './contract/event.ts';
import { hiddenIn } from './contract/hidden.ts';
import type { Ruleset } from './contract/ruleset.ts';
import { decidePlace, decideTick } from './scheduler/schedule-commands.ts';
import type { ScheduleNotes } from './scheduler/schedule-notes.ts';
import { decideCredit, decideOpenAccount } from './slices/account/commands.ts';
import { applyTransfers, assertHolds } from './slices/account/ledger.ts';
import { newAccount } from './slices/account/record.ts';
import { transfersOf } from './slices/account/transfers.ts';
import {
  decideFinish,
  decideHoldUpload,
  decideProgress,
  decideResumeUpload,
} from './slices/attempt/commands.ts';
import {
  applyAssigned,
  applyEnded,
  applyHeld,
  applyProgressed,
  applyReleased,
  applyResumed,
} from './slices/attempt/events.ts';
import { setStageClock } from './slices/attempt/stage-clock.ts';
import { isActive } from './slices/attempt/task-states.ts';
import {
  applyIsolated,
  applyReinstated,
  decideIsolate,
  decideReinstate,
  isolationRefusal,
} from './slices/isolation/isolation.ts';
import { decideCancel, decideSubmit } from './slices/job/commands.ts';
import {
  applyCancelled,
  applySettled,
  applySubmitted,
  applyTaskEnded,
  correctQueueClocks,
} from './slices/job/events.ts';
import { applyPoisoned } from './slices/job/poison.ts';
import { endBackoffs } from './slices/job/queue.ts';
import { decideConnect, decideDirect, decideOffer } from './slices/node/commands.ts';
import { applyJoined, applyOffered, applyStatus } from './slices/node/events.ts';
import { applyForgotten, proveByStanding } from './slices/node/forgotten.ts';
import { endRests, review } from './slices/node/standing.ts';
import type { State } from './state.ts';

/**
 * What the command means now: the events that follow from it, or why it is refused. Nothing that a hash or an
 * event depends on is changed. Never throws.
 */
export function decide(state: State, command: Command, notes: ScheduleNotes): Result<readonly Event[]> {
  if (command.type === 'log.open') {
    if (state.origin !== '') return refuse('request.conflict', 'The log is open.');
    return accept([{ at: command.at, origin: command.origin, ruleset: command.ruleset, type: 'log.opened' }]);
  }
  if (state.origin === '') return refuse('request.conflict', 'The log is not open yet.');
  const refusal = doubledIn(command) ?? hiddenIn(command) ?? isolationRefusal(state, command);
  if (refusal !== undefined) return { ok: false, refusal };
  switch (command.type) {
    case 'ruleset.change':
      return accept([{ at: command.at, ruleset: command.ruleset, type: 'ruleset.changed' }]);
    case 'account.open':
      return decideOpenAccount(state, command);
    case 'account.credit':
      return decideCredit(state, command);
    case 'job.submit':
      return decideSubmit(state, command);
    case 'job.cancel':
      return decideCancel(state, command);
    case 'node.connect':
      return decideConnect(state, command);
    case 'node.change_offer':
      return decideOffer(state, command);
    case 'node.direct':
      return decideDirect(state, command);
    case 'attempt.progress':
      return decideProgress(state, command);
    case 'attempt.finish':
      return decideFinish(state, command);
    case 'attempt.hold_upload':
      return decideHoldUpload(state, command);
    case 'attempt.resume_upload':
      return decideResumeUpload(state, command);
    case 'subject.isolate':
      return decideIsolate(state, command);
    case 'subject.reinstate':
      return decideReinstate(state, command);
    case 'tick':
      advance(state, command.at);
      correctQueueClocks(state, command.at);
      return accept(decideTick(state, notes, command));
    case 'place':
      advance(state, command.at);
      return accept(decidePlace(state, notes, command));
    default:
      return unreachable(command);
  }
}

/**
 * Brings the indexes to the time of a command or event: tasks whose backoff is over, nodes whose pause is. No hash and no event
 * tells whether a decision did it or the event before.
 */
function advance(state: State, at: number): void {
  endBackoffs(state, at);
  endRests(state, at);
}

/**
 * The only way the state changes. Deterministic, and total over the events that `decide` gives; for any other
 * (a damaged log) it throws InvariantError.
 */
export function apply(state: State, event: Event): void {
  if (state.captures.size > 0) for (const capture of state.captures) capture.keep(event);
  advance(state, event.at);
  const transfers = transfersOf(state, event);
  if (transfers.length > 0) applyTransfers(state, transfers);
  change(state, event);
  if (transfers.length > 0) assertHolds(state);
}

function change(state: State, event: Event): void {
  switch (event.type) {
    case 'log.opened':
      invariant(state.origin === '' && event.origin !== '', 'the log is opened once, by name');
      state.origin = event.origin;
      state.ruleset = event.ruleset;
      return;
    case 'ruleset.changed':
      return changeRuleset(state, event.ruleset, event.at);
    case 'account.opened':
      invariant(!state.accounts.has(event.account), `${event.account} is opened twice`);
      state.accounts.set(event.account, newAccount(event.account));
      return;
    case 'account.credited':
      return noteCredit(state, event);
    case 'node.joined':
      return applyJoined(state, event);
    case 'node.offered':
      return applyOffered(state, event);
    case 'node.status_changed':
      return applyStatus(state, event);
    case 'node.forgotten':
      return applyForgotten(state, event);
    case 'job.submitted':
      return applySubmitted(state, event);
    case 'job.cancelled':
      return applyCancelled(state, event);
    case 'image.poisoned':
      return applyPoisoned(state, event);
    case 'task.ended':
      return applyTaskEnded(state, event);
    case 'job.settled':
      return applySettled(state, event);
    case 'attempt.assigned':
      return applyAssigned(state, event);
    case 'attempt.progressed':
      return applyProgressed(state, event);
    case 'upload.held':
      return applyHeld(state, event);
    case 'upload.resumed':
      return applyResumed(state, event);
    case 'attempt.ended':
      return applyEnded(state, event);
    case 'attempt.released':
      return applyReleased(state, event);
    case 'subject.isolated':
      return applyIsolated(state, event);
    case 'subject.reinstated':
      return applyReinstated(state, event);
    default:
      return unreachable(event);
  }
}

function noteCredit(state: State, event: AccountCredited): void {
  const credits = state.accounts.get(event.account)?.credits;
  invariant(credits !== undefined && !credits.has(event.ref), `the grant ${event.ref} is made twice`);
  credits.set(event.ref, BigInt(event.amountNano));
}

/** Clocks that run are set again by the new rules, so that every deadline follows from the state alone. */
function changeRuleset(state: State, ruleset: Ruleset, at: number): void {
  if (state.ruleset.maxUnprovenNodes === undefined && ruleset.maxUnprovenNodes !== undefined)
    proveByStanding(state);
  state.ruleset = ruleset;
  for (const node of state.nodes.values()) review(state, node, at);
  for (const job of state.jobs.values()) {
    for (const task of job.tasks) if (isActive(task.state)) setStageClock(state, job, task);
  }
}

/**
 * Whether a place command could do something: tasks wait, nodes are open, and work or capacity has come since the
 * last look, or that look was cut short. O(1).
 */
export function needsPlacement(state: State, notes: ScheduleNotes): boolean {
  if (notes.isPaused) return false;
  return (notes.hasNews(state) || notes.isCutShort) && state.openNodes.size > 0 && state.waiting.size > 0;
}
