import { isJobId, isNodeId, type JobId, jobIdOf, type NodeId } from '@capacloud/protocol/ids';
import type { Refusal, Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { invariant } from '../../assert.ts';
import type { Command, IsolateSubject, ReinstateSubject } from '../../contract/command.ts';
import type { Event, SubjectIsolated, SubjectReinstated } from '../../contract/event.ts';
import type { IsolationStop, Subject } from '../../contract/subject.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { refreshOpen } from '../node/capacity.ts';

export type Suspicion = Pick<IsolateSubject, 'subject' | 'stops' | 'cause' | 'beside'>;

/** An account that broke the books with one command is refused all of them: its jobs go on. */
function decideIsolate(state: ReadOnly<State>, command: IsolateSubject): Result<readonly Event[]> {
  const { at, beside, cause, subject } = command;
  // It has ended meanwhile.
  if (isJobId(subject) && !state.jobs.has(subject)) return accept([]);
  const before = state.isolated.get(subject);
  const known: readonly IsolationStop[] = before?.stops ?? [];
  const stops = (['placement', 'commands', 'time'] as const).filter(
    (stop) => known.includes(stop) || command.stops.includes(stop),
  );
  const others = beside === undefined ? [] : nodesBeside(state, beside, subject);
  const type = 'subject.isolated';
  // With another node it was the same: the job is what both have in common, and the nodes are free again. Where the job is kept
  // away from already, it was something else.
  if (beside !== undefined && others.length > 0 && state.jobs.has(beside) && !covers(state, beside, stops)) {
    const { isolated } = state;
    const all = others.flatMap((id) => isolated.get(id)?.stops ?? []);
    const events: Event[] = [
      { at, cause, stops: [...new Set([...all, ...command.stops])].sort(), subject: beside, type },
    ];
    for (const id of others) events.push({ at, subject: id, type: 'subject.reinstated' });
    return accept(events);
  }
  if (before !== undefined && stops.length === known.length) return accept([]);
  return accept([
    beside === undefined ? { at, cause, stops, subject, type } : { at, beside, cause, stops, subject, type },
  ]);
}

function covers({ isolated }: ReadOnly<State>, subject: Subject, stops: readonly IsolationStop[]): boolean {
  const known = isolated.get(subject)?.stops;
  return known !== undefined && stops.every((stop) => known.includes(stop));
}

function nodesBeside({ isolated }: ReadOnly<State>, job: JobId, but: Subject): readonly NodeId[] {
  const found: NodeId[] = [];
  for (const [id, { beside }] of isolated) if (beside === job && id !== but && isNodeId(id)) found.push(id);
  return found;
}

function decideReinstate(
  state: ReadOnly<State>,
  { at, subject }: ReinstateSubject,
): Result<readonly Event[]> {
  if (!state.isolated.has(subject)) return refuse('request.not_found', `${subject} is not isolated.`);
  return accept([{ at, subject, type: 'subject.reinstated' }]);
}

function applyIsolated(state: State, event: SubjectIsolated): void {
  const { at, beside, cause, stops, subject } = event;
  state.isolated.set(subject, beside === undefined ? { at, cause, stops } : { at, beside, cause, stops });
  mark(state, subject, true);
}

function applyReinstated(state: State, { subject }: SubjectReinstated): void {
  invariant(state.isolated.delete(subject), `${subject} is not isolated`);
  mark(state, subject, false);
  state.feed.arrivals += 1;
}

function mark(state: State, subject: Subject, isIsolated: boolean): void {
  const node = state.nodes.get(subject as NodeId);
  if (node !== undefined) {
    node.isIsolated = isIsolated;
    refreshOpen(state, node);
  }
  const job = state.jobs.get(subject as JobId);
  if (job !== undefined) job.isIsolated = isIsolated;
}

/** Whether time leaves it as it is. */
export function isFrozen({ isolated }: Pick<ReadOnly<State>, 'isolated'>, subject: Subject): boolean {
  return isolated.size > 0 && isolated.get(subject)?.stops.includes('time') === true;
}

/** Why a command of an isolated subject is refused. */
export function isolationRefusal({ isolated }: ReadOnly<State>, command: Command): Refusal | undefined {
  if (isolated.size === 0) return undefined;
  for (const subject of sendersOf(command)) {
    if (isolated.get(subject)?.stops.includes('commands') !== true) continue;
    const message = `${subject} is isolated: something that it sent broke the books of the coordinator.`;
    if (isNodeId(subject)) return { code: 'node.isolated', message };
    return { code: isJobId(subject) ? 'job.isolated' : 'account.isolated', message };
  }
  return undefined;
}

function sendersOf(command: Command): readonly Subject[] {
  switch (command.type) {
    case 'node.connect':
    case 'node.change_offer':
      return [command.node];
    case 'attempt.progress':
    case 'attempt.finish':
    case 'attempt.hold_upload':
      return [command.node, jobIdOf(command.task)];
    case 'attempt.resume_upload':
      return [jobIdOf(command.task)];
    case 'job.submit':
      return [command.consumer];
    case 'job.cancel':
      return command.isForced === true ? [] : [command.job];
    // Of the operator, or of the coordinator itself.
    case 'log.open':
    case 'ruleset.change':
    case 'account.open':
    case 'account.credit':
    case 'node.direct':
    case 'subject.isolate':
    case 'subject.reinstate':
    case 'tick':
    case 'place':
      return [];
  }
}

/**
 * Whether nothing is here of the sender of a command that was refused: of an account that submits a job, or of a node that
 * would join. Keeping away from it would help nobody, and strangers who join with ever new keys would fill the log.
 */
export function leavesNothing({ nodes }: ReadOnly<State>, command: Command): boolean {
  return command.type === 'job.submit' || (command.type === 'node.connect' && !nodes.has(command.node));
}

/** What a decision is in the middle of, to be named where it breaks an invariant. */
export interface Busy {
  readonly isPlacing: boolean;
  readonly job: JobId | undefined;
  readonly node: NodeId | undefined;
}

/**
 * What to keep away from after the decision of this command, or this event of it, broke an invariant; undefined where nobody
 * but the operator or the coordinator itself can be meant.
 */
export function suspicionOf(
  state: ReadOnly<State>,
  command: Command,
  busy: Busy,
  event?: Event,
): Suspicion | undefined {
  const [sender, job] = sendersOf(command);
  const cause = command.type;
  if (sender !== undefined) {
    const stops: readonly IsolationStop[] =
      command.type === 'job.submit' ? ['commands'] : ['placement', 'commands'];
    return job === undefined || !isHeld(state, command, event)
      ? { cause, stops, subject: sender }
      : { beside: job as JobId, cause, stops, subject: sender };
  }
  if (command.type !== 'place' && command.type !== 'tick') return undefined;
  const about = event === undefined ? busy : partiesOf(state, event);
  const isPlacing = event === undefined ? busy.isPlacing : event.type === 'attempt.assigned';
  const stops: readonly IsolationStop[] = isPlacing ? ['placement'] : ['placement', 'time'];
  if (about.node === undefined)
    return about.job === undefined ? undefined : { cause, stops, subject: about.job };
  return about.job === undefined
    ? { cause, stops, subject: about.node }
    : { beside: about.job, cause, stops, subject: about.node };
}

/**
 * Whether the sender has the task that it speaks of: a node may name any. A command with an event was looked through, and the
 * event may have taken the task from the node.
 */
function isHeld({ nodes }: ReadOnly<State>, command: Command, event: Event | undefined): boolean {
  if (event !== undefined) return true;
  return (
    'node' in command && 'task' in command && nodes.get(command.node)?.occupied.has(command.task) === true
  );
}

interface Parties {
  readonly node?: NodeId | undefined;
  readonly job?: JobId | undefined;
}

function partiesOf({ tasks }: ReadOnly<State>, event: Event): Parties {
  const job = 'job' in event ? event.job : 'task' in event ? jobIdOf(event.task) : undefined;
  if ('node' in event) return { job, node: event.node };
  return { job, node: 'task' in event ? tasks.get(event.task)?.node : undefined };
}

export const isolationCommands = {
  'subject.isolate': decideIsolate,
  'subject.reinstate': decideReinstate,
};

export const isolationEvents = {
  'subject.isolated': applyIsolated,
  'subject.reinstated': applyReinstated,
};
