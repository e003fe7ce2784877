import type { TaskId } from '@capacloud/protocol/ids';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Command } from './contract/command.ts';
import type { Event } from './contract/event.ts';
import { checkInvariants } from './invariants.ts';
import { apply, decide } from './machine.ts';
import { ScheduleNotes } from './scheduler/schedule-notes.ts';
import { transfersOf } from './slices/account/transfers.ts';
import { desiredAttempts } from './slices/node/desired.ts';
import { decodeState, decodeStateLines, encodeState, stateHash } from './snapshot.ts';
import { createState, type State } from './state.ts';
import { StateCapture } from './state-capture.ts';
import { consumer, nodeId, provider } from './testing/harness.ts';
import { Dice, other, randomOffer, ruleset } from './testing/random-commands.ts';

/** Applies one event; its transfers are checked before, every invariant after. */
function replayInto(state: State, event: Event): void {
  const captured: string[] = [];
  for (const transfer of transfersOf(state, event)) {
    expect(transfer.entries.reduce((sum, { deltaNano }) => sum + deltaNano, 0n)).toBe(0n);
    expect(transfer.entries.every(({ deltaNano }) => deltaNano !== 0n)).toBe(true);
    expect(new Set(transfer.entries.map(({ account }) => account)).size).toBe(transfer.entries.length);
    if (transfer.kind === 'capture' && transfer.task !== undefined) captured.push(transfer.task);
  }
  apply(state, event);
  checkInvariants(state);
  for (const task of captured) expect(state.tasks.get(task as TaskId)?.hold).toBe('captured');
}

/** A capture that is written a little at a time while the state moves on, and what it must come to. */
class SlowCapture {
  readonly #expected: string;
  readonly #pieces: Generator<string, void, undefined>;
  #text = '';

  constructor(state: State, itemsPerPiece: number) {
    this.#expected = encodeState(state);
    this.#pieces = new StateCapture(state).pieces(itemsPerPiece, true);
  }

  /** False once it is written, and was right. */
  write(pieces: number): boolean {
    for (let i = 0; i < pieces; i++) {
      const { value, done } = this.#pieces.next();
      if (done === true) {
        const lines = this.#text.split('\n');
        expect(lines.join('')).toBe(this.#expected);
        expect(encodeState(decodeStateLines(lines))).toBe(this.#expected);
        return false;
      }
      this.#text += value;
    }
    return true;
  }
}

// STATE-2
it('is captured as it was, however much it changes while it is written', () => {
  let outlived = 0;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
      const dice = new Dice(seed ^ 0x5eed);
      let captures: SlowCapture[] = [];
      let opened = 0;
      const { state } = simulate(seed, 260, (now) => {
        captures = captures.filter((capture) => capture.write(dice.pick([0, 1, 2, 8])));
        if (dice.chance(5)) {
          captures.push(new SlowCapture(now, dice.pick([1, 2, 7])));
          opened += 1;
        }
      });
      outlived += opened - captures.length;
      for (const capture of captures) expect(capture.write(Number.POSITIVE_INFINITY)).toBe(false);
      expect(state.captures.size).toBe(0);
    }),
    { numRuns: 30, examples: [[1_735_363_054]] },
  );
  expect(outlived).toBeGreaterThan(30);
}, 60_000);

function settleAll(state: State, from: number, log: Event[]): void {
  let at = from;
  const notes = new ScheduleNotes();
  const run = (command: Command) => {
    const result = decide(state, command, notes);
    if (!result.ok) throw new Error(result.refusal.message);
    for (const event of result.value) {
      replayInto(state, event);
      log.push(event);
    }
  };
  for (const subject of state.isolated.keys()) run({ type: 'subject.reinstate', at, subject });
  const live = [...state.jobs.values()].filter((job) => job.live > 0);
  for (const job of live) {
    run({ type: 'job.cancel', at, job: job.id, consumer: job.consumer });
  }
  at += 3_600_000;
  run({ type: 'tick', at, heard: new Map(), listeningSince: 0 });
}

function simulate(
  seed: number,
  commands: number,
  onEvent: (state: State) => void = () => {},
): { log: Event[]; state: State } {
  const dice = new Dice(seed);
  const state = createState();
  const notes = new ScheduleNotes();
  const log: Event[] = [];
  let at = 1_700_000_000_000;
  const opening: Command[] = [
    { type: 'log.open', at, origin: 'property', ruleset },
    { type: 'account.open', at, account: consumer },
    { type: 'account.open', at, account: other },
    { type: 'account.credit', at, account: consumer, amountNano: 10n ** 9n, ref: 'start' },
    { type: 'account.credit', at, account: other, amountNano: 10n ** 8n, ref: 'start' },
    ...[0, 1, 2].map(
      (n): Command => ({
        type: 'node.connect',
        at,
        node: nodeId(n),
        provider,
        offer: randomOffer(dice),
        accepting: true,
        held: [],
      }),
    ),
  ];
  for (let step = 0; step < commands; step++) {
    at += dice.pick([0, 10, 500, 500, 4000]);
    const command = opening[step] ?? dice.command(state, at);
    const before = step % 16 === 0 ? encodeState(state) : undefined;
    const result = decide(state, command, notes);
    if (before !== undefined) {
      expect(encodeState(state)).toBe(before);
      // A coordinator that started from a snapshot decides the same, but for where it places and who makes way: its notes are new.
      const copy = decodeState(before);
      expect(encodeState(copy)).toBe(before);
      checkInvariants(copy);
      const decided = decide(copy, command, new ScheduleNotes());
      expect(withoutPlaces(decided)).toEqual(withoutPlaces(result));
      if (decided.ok) for (const event of decided.value) replayInto(copy, event);
    }
    if (!result.ok) continue;
    for (const event of result.value) {
      replayInto(state, event);
      log.push(event);
      onEvent(state);
    }
    // What follows from the events of a decision is decided with them.
    for (const job of state.jobs.values()) expect(job.live + job.occupied).toBeGreaterThan(0);
    for (const node of state.nodes.values()) {
      expect(node.status === 'draining' && node.occupied.size === 0).toBe(false);
      expect(desiredAttempts(state, node).length).toBeLessThanOrEqual(node.occupied.size);
    }
  }
  settleAll(state, at, log);
  return { log, state };
}

function isPlacing(event: Event): boolean {
  return (
    event.type === 'attempt.assigned' || (event.type === 'attempt.ended' && event.reason === 'preempted')
  );
}

function withoutPlaces(result: ReturnType<typeof decide>): unknown {
  return result.ok ? result.value.filter((event) => !isPlacing(event)) : result;
}

it('places the same when the same commands come', () => {
  for (const seed of [11, 22, 33]) {
    const { log } = simulate(seed, 400);
    expect(log.filter(({ type }) => type === 'attempt.assigned').length).toBeGreaterThan(20);
    expect(simulate(seed, 400).log).toEqual(log);
  }
});

// PAY-1, HOLD-2, ROOM-1, ROOM-2, STATE-1
it('holds every invariant, replays to the same state and settles to nothing, whatever happens', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
      const { log, state } = simulate(seed, 260);
      noteKinds(log, seen);
      const paid = log.filter((event) => event.type === 'attempt.ended' && event.then.kind === 'succeeded');
      expect(new Set(paid.map((event) => ('task' in event ? event.task : ''))).size).toBe(paid.length);
      const replayed = createState();
      for (const event of JSON.parse(JSON.stringify(log)) as Event[]) apply(replayed, event);
      expect(stateHash(replayed)).toBe(stateHash(state));
      expect([state.jobs.size, state.tasks.size, state.waiting.size, state.house.holds]).toEqual([
        0,
        0,
        0,
        0n,
      ]);
      expect([state.stageClocks.size, state.backoffs.size, state.queueClocks.size]).toEqual([0, 0, 0]);
      for (const node of state.nodes.values())
        expect([node.occupied.size, node.deviceUse.size]).toEqual([0, 0]);
    }),
    { numRuns: 40 },
  );
  // The dice reach every kind of event and the ends that matter; else the property proves little. The rarest come in some of
  // these courses, so that chance does not decide whether the test passes.
  const missing = () => kindsThatMatter.filter((name) => !seen.has(name));
  for (let seed = 1; missing().length > 0 && seed <= 200; seed++) noteKinds(simulate(seed, 260).log, seen);
  expect(missing()).toEqual([]);
}, 60_000);

const kindsThatMatter = [
  'log.opened',
  'ruleset.changed',
  'account.opened',
  'account.credited',
  'node.joined',
  'node.offered',
  'node.status_changed',
  'job.submitted',
  'job.cancelled',
  'image.poisoned',
  'task.ended',
  'job.settled',
  'attempt.assigned',
  'attempt.progressed',
  'attempt.ended',
  'attempt.released',
  'subject.isolated',
  'subject.reinstated',
  'upload.held',
  'upload.resumed',
  'store_full',
  'quota_full',
  'succeeded',
  'requeued',
  'failed',
  'node_lost',
  'assignment_timeout',
  'agent_failed',
  'run_timeout',
  'image_poisoned',
];

function noteKinds(log: readonly Event[], seen: Set<string>): void {
  for (const event of log) {
    seen.add(event.type);
    if (event.type === 'task.ended') seen.add(event.reason);
    if (event.type === 'attempt.ended') seen.add(event.then.kind).add(event.reason);
  }
}
