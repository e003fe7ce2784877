import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { broken } from './assert.ts';
import type { Command, Place, Tick } from './contract/command.ts';
import { doubledIn } from './contract/doubled.ts';
import type { Event, EventOf, EventType } from './contract/event.ts';
import { hiddenIn } from './contract/hidden.ts';
import type { ReadOnly } from './read-only.ts';
import { decidePlace, decideTick } from './scheduler/schedule-commands.ts';
import type { ScheduleNotes } from './scheduler/schedule-notes.ts';
import { accountCommands } from './slices/account/commands.ts';
import { accountEvents } from './slices/account/events.ts';
import { applyTransfers, assertHolds } from './slices/account/ledger.ts';
import { transfersOf } from './slices/account/transfers.ts';
import { attemptCommands } from './slices/attempt/commands.ts';
import { attemptEvents } from './slices/attempt/events.ts';
import { isolationCommands, isolationEvents, isolationRefusal } from './slices/isolation/isolation.ts';
import { jobCommands } from './slices/job/commands.ts';
import { correctQueueClocks, jobEvents } from './slices/job/events.ts';
import { imageEvents } from './slices/job/poison.ts';
import { endBackoffs } from './slices/job/queue.ts';
import { logCommands } from './slices/log/commands.ts';
import { logEvents } from './slices/log/events.ts';
import { nodeCommands } from './slices/node/commands.ts';
import { nodeEvents } from './slices/node/events.ts';
import { endRests } from './slices/node/standing.ts';
import type { State } from './state.ts';

type CommandType = Command['type'];
type CommandOf<T extends CommandType> = Extract<Command, { readonly type: T }>;
type Decided = Result<readonly Event[]>;
/** All but those that bring the indexes to their time. */
type UntimedCommand = Exclude<Command, Tick | Place>;

type Decide<T extends CommandType> = (
  state: ReadOnly<State>,
  command: CommandOf<T>,
  notes: ScheduleNotes,
) => Decided;

/** What decides each command. Each slice has its own. None can write to the state. */
const decides: { readonly [T in CommandType]: Decide<T> } = {
  ...logCommands,
  ...accountCommands,
  ...nodeCommands,
  ...jobCommands,
  ...attemptCommands,
  ...isolationCommands,
  tick: (state, command, notes) => accept(decideTick(state, notes, command)),
  place: (state, command, notes) => accept(decidePlace(state, notes, command)),
};

/** What applies each event. Each slice has its own. */
const applies: { readonly [T in EventType]: (state: State, event: EventOf<T>) => void } = {
  ...logEvents,
  ...accountEvents,
  ...nodeEvents,
  ...jobEvents,
  ...imageEvents,
  ...attemptEvents,
  ...isolationEvents,
};

/**
 * What the command means now: the events that follow from it, or why it is refused. Nothing that a hash or an
 * event depends on is changed. Throws only where an invariant is broken, and then nothing has changed.
 */
export function decide(state: State, command: Command, notes: ScheduleNotes): Decided {
  if (command.type === 'tick' || command.type === 'place') advance(state, command.at);
  if (command.type === 'tick') correctQueueClocks(state, command.at);
  return decideAsItIs(state, command, notes);
}

/** What a command would mean that leaves the indexes as they are: for questions, which only read. */
export function foresee(state: ReadOnly<State>, command: UntimedCommand, notes: ScheduleNotes): Decided {
  return decideAsItIs(state, command, notes);
}

function decideAsItIs(state: ReadOnly<State>, command: Command, notes: ScheduleNotes): Decided {
  if (state.origin === '' && command.type !== 'log.open')
    return refuse('request.conflict', 'The log is not open yet.');
  const refusal = doubledIn(command) ?? hiddenIn(command) ?? isolationRefusal(state, command);
  if (refusal !== undefined) return { ok: false, refusal };
  return decideBy(state, command.type, command, notes);
}

function decideBy<T extends CommandType>(
  state: ReadOnly<State>,
  type: T,
  command: CommandOf<T>,
  notes: ScheduleNotes,
): Decided {
  // A caller without types may send anything, also what every object has, such as a constructor.
  if (!Object.hasOwn(decides, type)) broken(`there is no command ${type}`);
  return decides[type](state, command, notes);
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
  // A damaged log may hold anything, also what every object has, such as a constructor.
  if (!Object.hasOwn(applies, event.type)) broken(`there is no event ${event.type}`);
  if (state.captures.size > 0) for (const capture of state.captures) capture.keep(event);
  advance(state, event.at);
  const transfers = transfersOf(state, event);
  if (transfers.length > 0) applyTransfers(state, transfers);
  change(state, event.type, event);
  if (transfers.length > 0) assertHolds(state);
}

function change<T extends EventType>(state: State, type: T, event: EventOf<T>): void {
  applies[type](state, event);
}

/**
 * Whether a place command could do something: tasks wait, nodes are open, and work or capacity has come since the
 * last look, or that look was cut short. O(1).
 */
export function needsPlacement(state: ReadOnly<State>, notes: ScheduleNotes): boolean {
  if (notes.isPaused) return false;
  return (notes.hasNews(state) || notes.isCutShort) && state.openNodes.size > 0 && state.waiting.size > 0;
}
