import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { AttemptPhase, AttemptRecord, StopCause } from './attempt-record.ts';
import { bringsOutputs, isStoppable } from './attempt-record.ts';
import { occupies, Room, refusalReason } from './policy.ts';
import { attemptKeyText, type ObservedAttempt } from './ports.ts';
import { type Step, unreachable, type WorkKind } from './step.ts';

/** What the coordinator wants. */
export interface Desired {
  /** Keys (attemptKeyText) of the attempts it wants here; undefined until it has said so in this life of the agent. */
  readonly attempts: ReadonlySet<string> | undefined;
  readonly leaseLapsed: boolean;
}

/** A record and what the agent is doing about it now. */
export interface AttemptView {
  readonly record: AttemptRecord;
  readonly active?: WorkKind;
  /** A stop of its container is under way. */
  readonly stopping: boolean;
  /** Items of it wait in the outbox. */
  readonly unacked: boolean;
}

const workOf: Readonly<Record<Exclude<AttemptPhase, 'settled'>, WorkKind>> = {
  pulling: 'pull',
  fetching: 'fetch-inputs',
  preparing: 'prepare',
  starting: 'start',
  running: 'adopt',
  collecting: 'collect',
  uploading: 'upload',
  reporting: 'report',
  cleaning: 'clean',
};

/**
 * What to do now, from what is wanted, what the engine shows and what is remembered. Called on every wake-up;
 * a restart is not special. `observed` is what was just listed, undefined when nothing was: absence from a list
 * proves nothing here (the list may be older than the record), so only presence is acted upon.
 * Views come in order of acceptance: who came first gets free room first.
 */
export function reconcile(
  desired: Desired,
  observed: readonly ObservedAttempt[] | undefined,
  views: readonly AttemptView[],
  offer: Offer,
): readonly Step[] {
  const steps: Step[] = [];
  const room = new Room(offer);
  for (const view of views) {
    const { assignment, heldSinceMs, phase } = view.record;
    if (occupies(view.record, view.active === 'prepare')) room.take(assignment);
    else if (phase === 'uploading' && heldSinceMs !== undefined) room.takeForOutputs(assignment);
  }
  const seen = new Map((observed ?? []).map((entry) => [attemptKeyText(entry.key), entry]));
  for (const view of views) {
    const key = attemptKeyText(view.record.key);
    steps.push(...stepsFor(view, seen.get(key), desired, { room, offer }));
    seen.delete(key);
  }
  // guard: remove what nobody knows
  for (const ghost of seen.values()) steps.push({ kind: 'remove', key: ghost.key });
  return steps;
}

function stepsFor(
  view: AttemptView,
  seen: ObservedAttempt | undefined,
  desired: Desired,
  { room, offer }: { readonly room: Room; readonly offer: Offer },
): readonly Step[] {
  const { record } = view;
  const { key } = record;
  const cause = unwanted(record, desired);
  if (cause !== undefined)
    return [{ kind: 'cancel', key, cause }, ...endingSteps({ ...view, record: { ...record, stop: cause } })];
  // What is saved after a stop goes the way of an output; its clock ends it.
  const isBringing = record.saving !== undefined || bringsOutputs(record);
  if (record.stop !== undefined && !isBringing && isBeforeReport(record)) return endingSteps(view);
  if (view.active !== undefined) return [];
  if (record.phase === 'settled') {
    if (seen !== undefined) return [{ kind: 'remove', key }];
    // REPORT-1
    // guard: remember a settled attempt until its report is durable
    return record.log.done && !view.unacked ? [{ kind: 'forget', key }] : [];
  }
  if (record.phase === 'preparing') {
    // What the offer has become too small for does not wait: its step refuses it.
    if (refusalReason(record.assignment, offer) === undefined) {
      // guard: wait for room
      if (!room.fits(record.assignment)) return [];
      room.take(record.assignment);
    }
  }
  // Killed between the start and the note of it: the container is there already.
  const isThere = seen?.container === 'running' || seen?.container === 'exited';
  if (record.phase === 'starting' && isThere) return [{ kind: 'adopt', key }];
  return [{ kind: workOf[record.phase], key }];
}

function unwanted(record: AttemptRecord, desired: Desired): StopCause | undefined {
  if (!isStoppable(record)) return undefined;
  // guard: drop what the coordinator does not want
  if (desired.attempts !== undefined && !desired.attempts.has(attemptKeyText(record.key))) return 'dropped';
  // Nothing runs of an attempt that uploads. What it brings waits for the coordinator as reports do, who may be away to make room
  // for it; it says whether it still wants it when it is back.
  // LEASE-3
  return desired.leaseLapsed && record.phase !== 'uploading' ? 'lease_lapsed' : undefined;
}

function isBeforeReport(record: AttemptRecord): boolean {
  return record.phase !== 'reporting' && record.phase !== 'cleaning' && record.phase !== 'settled';
}

/** How an attempt with a cause to end gets there: stop what runs, abort what is being done, then abandon it. */
function endingSteps(view: AttemptView): readonly Step[] {
  const { key, phase } = view.record;
  if (view.active === undefined) {
    if (phase !== 'running') return [{ kind: 'abandon', key }];
    // Adopting waits for the end of the container, and the stop brings that about.
    const adopt: Step = { kind: 'adopt', key };
    return view.stopping ? [adopt] : [adopt, { kind: 'stop', key }];
  }
  switch (view.active) {
    case 'adopt':
      return view.stopping ? [] : [{ kind: 'stop', key }];
    case 'abandon':
    case 'report':
    case 'clean':
      return [];
    case 'pull':
    case 'fetch-inputs':
    case 'prepare':
    case 'start':
    case 'collect':
    case 'upload':
      return [{ kind: 'interrupt', key }];
    default:
      return unreachable(view.active);
  }
}
