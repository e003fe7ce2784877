import { checkInvariants } from '@capacloud/core/invariants';
import { apply, decide } from '@capacloud/core/machine';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openStore, type Store } from '../store/store.ts';
import { consumer, jobNamed, nodeNamed, temporaryFolder, termsOf, Workload } from '../testing/workload.ts';
import { CommandSequencer } from './command-sequencer.ts';
import { FatalDecision } from './fatal-decision.ts';
import { FatalEnds, safeModeLimits } from './fatal-ends.ts';
import { replay } from './replay.ts';
import type { BrokenDecision, StateMachine } from './state-machine.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  folder[Symbol.dispose]();
});

/** A log with two nodes and money, opened again with a fault in the state machine. */
async function openFaulty(machine: Partial<StateMachine>) {
  const work = await Workload.open(folder.path);
  await work.prepare(2);
  await work.close();
  const store: Store = await openStore(folder.path);
  const { state } = await replay(store.log, [], AbortSignal.any([]));
  const broken: BrokenDecision[] = [];
  const fatal: Error[] = [];
  const at = work.at;
  const sequencer = new CommandSequencer({
    state,
    log: store.log,
    fencingEpoch: store.fencingEpoch,
    projection: store.projection,
    now: () => at,
    onFatal: (error) => fatal.push(error),
    onBroken: (one) => broken.push(one),
    machine: { decide, apply, ...machine },
  });
  return { at, broken, fatal, sequencer, store };
}

it('drops a command that breaks an invariant, isolates its sender, and takes the next', async () => {
  const { at, broken, fatal, sequencer, store } = await openFaulty({
    decide(state, command, notes) {
      if (command.type === 'node.change_offer' && command.node === nodeNamed(0)) throw new Error('broken');
      return decide(state, command, notes);
    },
  });
  const offer = sequencer.state.nodes.get(nodeNamed(0))?.offer ?? expect.fail('no node');
  const change = { type: 'node.change_offer', at, offer, accepting: false } as const;
  const size = store.log.size();
  expect(await sequencer.submit({ ...change, node: nodeNamed(0) })).toMatchObject({
    ok: false,
    refusal: { code: 'service.internal' },
  });
  expect(broken).toMatchObject([{ command: 'node.change_offer', suspicion: { subject: nodeNamed(0) } }]);
  expect(sequencer.state.nodes.get(nodeNamed(0))).toMatchObject({ accepting: true, isIsolated: true });
  expect(await sequencer.submit({ ...change, node: nodeNamed(1) })).toMatchObject({ ok: true });
  await sequencer.digest();
  const entries = await store.log.read(size, 10);
  expect(entries.map(({ entry }) => (JSON.parse(entry) as { type: string }).type)).toEqual([
    'subject.isolated',
    'node.offered',
    'node.status_changed',
  ]);
  expect(fatal).toEqual([]);
  checkInvariants(sequencer.state);
  await sequencer.close();
  await store.close();
});

it('isolates no node that could not join, of which strangers have ever new ones', async () => {
  const { at, broken, sequencer, store } = await openFaulty({
    decide(state, command, notes) {
      if (command.type === 'node.connect') throw new Error('broken');
      return decide(state, command, notes);
    },
  });
  const known = sequencer.state.nodes.get(nodeNamed(0)) ?? expect.fail('no node');
  const { offer, provider } = known;
  const size = store.log.size();
  for (let n = 10; n < 20; n++)
    expect(
      await sequencer.submit({
        type: 'node.connect',
        at,
        node: nodeNamed(n),
        provider,
        offer,
        accepting: true,
        held: [],
      }),
    ).toMatchObject({ ok: false, refusal: { code: 'service.internal' } });
  await sequencer.digest();
  expect([broken.length, store.log.size() - size, sequencer.state.isolated.size]).toEqual([10, 0, 0]);
  await sequencer.close();
  await store.close();
});

it('places around what broke a placement', async () => {
  const { at, broken, fatal, sequencer, store } = await openFaulty({
    decide(state, command, notes) {
      const decision = decide(state, command, notes);
      if (command.type !== 'place' || !decision.ok) return decision;
      for (const event of decision.value)
        if (event.type === 'attempt.assigned' && event.node === nodeNamed(0)) {
          notes.busy.node = event.node;
          throw new Error('broken');
        }
      return decision;
    },
  });
  const terms = termsOf(4);
  await sequencer.submit({ type: 'job.submit', at, job: jobNamed(77), consumer, terms });
  await vi.waitFor(() => {
    const states = [...sequencer.state.tasks.values()].map(({ node, state }) => [state, node]);
    expect(states).toEqual(Array.from({ length: 4 }, () => ['assigned', nodeNamed(1)]));
  }, 10_000);
  expect([broken.length > 0, fatal]).toEqual([true, []]);
  await sequencer.close();
  await store.close();
});

it('ends over half a decision, and names whom the next start keeps away from', async () => {
  const { at, fatal, sequencer, store } = await openFaulty({
    apply(state, event) {
      apply(state, event);
      if (event.type === 'attempt.assigned') throw new Error('half');
    },
  });
  const told: unknown[] = [];
  const submitted = sequencer.submit({
    type: 'job.submit',
    at,
    job: jobNamed(77),
    consumer,
    terms: termsOf(1),
  });
  void submitted.then((outcome) => told.push(outcome));
  await vi.waitFor(() => expect(fatal).toHaveLength(1), 10_000);
  expect(fatal[0]).toBeInstanceOf(FatalDecision);
  expect((fatal[0] as FatalDecision).suspicion).toMatchObject({
    beside: jobNamed(77),
    cause: 'place',
    stops: ['placement'],
  });
  expect(told).toEqual([]);
  await store.close();
});

it('remembers fatal ends, and after some of them within a while places nothing for longer', () => {
  const ends = new FatalEnds(folder.path);
  expect([ends.read(), ends.isSafeMode(0)]).toEqual([[], false]);
  const { fatalEnds, kept, lastsMs, withinMs } = safeModeLimits;
  const apart = withinMs / (fatalEnds - 1);
  for (let n = 0; n < fatalEnds; n++) {
    expect(ends.isSafeMode(n * apart)).toBe(false);
    ends.note({ at: n * apart, reason: 'x'.repeat(10_000) });
  }
  expect(ends.isSafeMode(withinMs)).toBe(true);
  expect(ends.isSafeMode(withinMs + lastsMs)).toBe(false);
  const suspicion = { cause: 'place', stops: ['placement'], subject: nodeNamed(1) } as const;
  ends.note({ at: 10 * withinMs, reason: 'later', suspicion });
  expect(ends.isSafeMode(10 * withinMs)).toBe(false);
  expect(ends.read().at(-1)).toEqual({ at: 10 * withinMs, reason: 'later', suspicion });
  ends.settle();
  expect(ends.read().at(-1)).toEqual({ at: 10 * withinMs, reason: 'later' });
  for (let n = 0; n < 2 * kept; n++) ends.note({ at: n * withinMs * 2, reason: '' });
  expect(ends.read()).toHaveLength(kept);
});
