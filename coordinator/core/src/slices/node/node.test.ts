import type { AccountId } from '@capacloud/protocol/ids';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../contract/event.ts';
import { maxContactEventsPerTick } from '../../scheduler/schedule-commands.ts';
import { Machine, nodeId, offer, only, types } from '../../testing/harness.ts';
import { desiredAttempts } from './desired.ts';

const silentMs = 15_000;
const lostMs = 65_000;

/** Node 0 runs the only task of job 1. */
function running() {
  const machine = Machine.ready();
  machine.submit(1, { backoffInitialMs: 0, backoffMaxMs: 0 });
  machine.place();
  machine.run(machine.progress(machine.task(1), 'running'));
  return machine;
}
const held = (machine: Machine, attempt = 1): { held: [never, number][] } => ({
  held: [[machine.task(1).id as never, attempt]],
});

describe('silence', () => {
  it('is told of so many nodes a tick, and nothing is placed on the others meanwhile', () => {
    const nodes = 2 * maxContactEventsPerTick + 100;
    const machine = Machine.ready(nodes);
    const all = Array.from({ length: nodes }, (_, n) => n);
    const told = (events: readonly Event[]) =>
      only(events, 'node.status_changed').map(({ cause, node }) => `${cause} ${node}`);
    machine.wait(silentMs).submit(1, { tasks: 10 });
    const ticks = [machine.tick(), machine.tick(), machine.tick(), machine.tick()];
    expect(ticks.map((events) => events.length)).toEqual([1024, 1024, 100, 0]);
    expect(new Set(ticks.flatMap(told)).size).toBe(nodes);
    // Half of them come back.
    machine.wait(1);
    const back = all.slice(nodes / 2);
    const returns = [machine.tick(...back), machine.tick(...back)];
    expect(returns.map((events) => told(events).length)).toEqual([1024, 50]);
    // Their tasks are placed once, on nodes that are back; the rest is lost, as much as a tick has room for.
    expect(only(returns.flat(), 'attempt.assigned')).toHaveLength(10);
    machine.wait(lostMs);
    const losses = [machine.tick(...back), machine.tick(...back), machine.tick(...back)];
    expect(losses.map((events) => told(events).length)).toEqual([1024, 50, 0]);
    machine.check();
  });

  // LEASE-1
  it('makes a node unknown, then lost; its attempts go elsewhere', () => {
    const machine = running();
    expect(machine.wait(silentMs - 1).tick()).toEqual([]);
    expect(machine.wait(1).tick()).toMatchObject([{ to: 'unknown', cause: 'silent' }]);
    expect(machine.task(1).state).toBe('running');
    machine.connect(1);
    machine.wait(lostMs - silentMs);
    const events = machine.tick(1);
    expect(events).toMatchObject([
      {
        type: 'attempt.ended',
        reason: 'node_lost',
        released: true,
        then: { kind: 'requeued', budget: 'provider' },
      },
      { type: 'node.status_changed', to: 'lost', cause: 'lease_lapsed' },
    ]);
    expect(machine.tick(1)).toMatchObject([
      { type: 'node.forgotten', node: nodeId(0), cause: 'unproven' },
      { type: 'attempt.assigned', attempt: 2, node: nodeId(1) },
    ]);
  });

  it('is judged by what the adapter heard, not by the log alone', () => {
    const machine = running();
    for (let i = 0; i < 20; i++) expect(machine.wait(10_000).tick(0)).toEqual([]);
    expect(machine.node(0).status).toBe('ready');
  });

  it('ends when the node is heard again, if it was not lost', () => {
    const machine = running();
    machine.wait(silentMs).tick();
    expect(machine.wait(10_000).tick(0)).toMatchObject([{ to: 'ready', cause: 'connected' }]);
    expect(machine.task(1).state).toBe('running');
  });

  it('tells both steps when a tick was long in coming', () => {
    const machine = running();
    const statuses = only(machine.wait(10 * lostMs).tick(), 'node.status_changed');
    expect(statuses.map(({ to }) => to)).toEqual(['unknown', 'lost']);
  });

  it('lets nothing be placed on the node in the same tick', () => {
    const machine = Machine.ready();
    machine.submit(1);
    expect(types(machine.wait(silentMs).tick())).toEqual(['node.status_changed']);
  });
});

describe('a node that returns', () => {
  it('keeps its attempt while it was only unknown', () => {
    const machine = running();
    machine.wait(silentMs).tick();
    expect(machine.connect(0, held(machine))).toMatchObject([{ to: 'ready' }]);
    expect(desiredAttempts(machine.state, machine.node(0))).toEqual([
      { task: machine.task(1).id, attempt: 1 },
    ]);
  });

  it('is told to drop what it holds after it was lost, and its late report is fenced', () => {
    const machine = running();
    machine.wait(lostMs).tick();
    const finish = { ...machine.finish(machine.task(1), 'completed'), attempt: 1 } as never;
    expect(machine.connect(0, held(machine))).toMatchObject([{ to: 'ready', cause: 'connected' }]);
    expect(desiredAttempts(machine.state, machine.node(0))).toEqual([]);
    expect(machine.refusal(finish)).toBe('attempt.fenced');
    machine.place();
    expect(machine.task(1)).toMatchObject({ attempt: 2, state: 'assigned' });
    expect(machine.refusal(finish)).toBe('attempt.fenced');
  });

  it('is sent again what it may never have heard of', () => {
    const machine = Machine.ready();
    machine.submit(1);
    machine.place();
    expect(machine.connect(0)).toEqual([]);
    expect(desiredAttempts(machine.state, machine.node(0))).toEqual([
      { task: machine.task(1).id, attempt: 1 },
    ]);
  });

  it('ends the attempt that it had begun and no longer holds', () => {
    const machine = running();
    expect(machine.connect(0)).toMatchObject([
      {
        type: 'attempt.ended',
        reason: 'agent_failed',
        released: true,
        then: { kind: 'requeued', budget: 'provider' },
      },
    ]);
    expect(machine.check().node(0).occupied.size).toBe(0);
  });

  it('keeps what it was given after it said what it holds, while its word waited', () => {
    const machine = Machine.ready();
    const saidAt = machine.now;
    machine.wait(1).submit(1);
    machine.place();
    machine.run(machine.progress(machine.task(1), 'running'));
    machine.wait(1);
    expect(machine.connect(0, { saidAt })).toEqual([]);
    machine.cancel(1);
    expect(machine.connect(0, { saidAt })).toEqual([]);
    expect(machine.check().node(0).occupied.size).toBe(1);
  });

  it('releases what was cancelled meanwhile', () => {
    const machine = running();
    machine.cancel(1);
    expect(machine.connect(0, held(machine))).toEqual([]);
    expect(types(machine.connect(0))).toEqual(['attempt.released', 'job.settled']);
  });
});

describe('wishes', () => {
  const direct = (machine: Machine, to: 'cordon' | 'uncordon' | 'drain', n = 0) =>
    ({ type: 'node.direct', at: machine.now, node: nodeId(n), to }) as const;

  it('drains: nothing new, and gone when nothing is left; welcome again later', () => {
    const machine = running();
    expect(machine.run(direct(machine, 'drain'))).toMatchObject([
      { to: 'draining', cause: 'operator_drained' },
    ]);
    expect(machine.run(direct(machine, 'drain'))).toEqual([]);
    expect(machine.refusal(direct(machine, 'uncordon'))).toBe('node.state_invalid');
    machine.submit(2);
    expect(machine.place()).toEqual([]);
    const events = machine.run(machine.finish(machine.task(1), 'completed'));
    expect(types(events)).toEqual(['attempt.ended', 'node.status_changed', 'job.settled']);
    expect(machine.node(0)).toMatchObject({ status: 'gone', cause: 'drained', directive: 'none' });
    expect(machine.refusal(direct(machine, 'cordon'))).toBe('node.state_invalid');
    expect(machine.connect(0)).toMatchObject([{ to: 'ready', cause: 'connected' }]);
    expect(machine.place()).toHaveLength(1);
  });

  it('drains an idle node at once, and removes a lost one', () => {
    const machine = Machine.ready(2);
    expect(machine.run(direct(machine, 'drain'))).toMatchObject([{ to: 'draining' }, { to: 'gone' }]);
    machine.wait(lostMs).tick();
    expect(machine.run(direct(machine, 'drain', 1))).toMatchObject([{ to: 'gone', cause: 'removed' }]);
  });

  it('keeps a cordon over silence, and apart from the owner’s pause', () => {
    const machine = Machine.ready();
    machine.run(direct(machine, 'cordon'));
    machine.wait(lostMs).tick();
    expect(machine.connect(0)).toMatchObject([{ to: 'cordoned', cause: 'connected' }]);
    expect(types(machine.connect(0, { accepting: false }))).toEqual(['node.offered']);
    expect(machine.run(direct(machine, 'uncordon'))).toMatchObject([
      { to: 'cordoned', cause: 'operator_uncordoned' },
    ]);
    expect(machine.connect(0)).toMatchObject([
      { type: 'node.offered' },
      { to: 'ready', cause: 'owner_resumed' },
    ]);
  });

  it('follows the owner by offer frames', () => {
    const machine = Machine.ready();
    const change = (accepting: boolean, cpuMilli = 8000) =>
      ({
        type: 'node.change_offer',
        at: machine.now,
        node: nodeId(0),
        offer: offer({ cpuMilli }),
        accepting,
      }) as const;
    expect(machine.run(change(true))).toEqual([]);
    expect(machine.run(change(false))).toMatchObject([
      { type: 'node.offered' },
      { to: 'cordoned', cause: 'owner_paused' },
    ]);
    expect(machine.run(change(true, 500))).toMatchObject([
      { type: 'node.offered' },
      { to: 'ready', cause: 'owner_resumed' },
    ]);
    machine.submit(1);
    expect(machine.place()).toEqual([]);
    machine.run(change(true));
    expect(machine.place()).toHaveLength(1);
    expect(machine.refusal({ ...change(true), node: nodeId(7) })).toBe('node.unknown');
    expect(machine.refusal(direct(machine, 'drain', 7))).toBe('node.unknown');
  });
});

it('opens the account of a new provider with the first attempt on its node', () => {
  const machine = Machine.ready(0);
  const joining = {
    type: 'node.connect',
    at: machine.now,
    node: nodeId(0),
    provider: 'acc_new' as AccountId,
    offer: offer(),
    accepting: true,
    held: [],
  } as const;
  expect(types(machine.run(joining))).toEqual(['node.joined', 'node.offered', 'node.status_changed']);
  expect(machine.run(joining)).toEqual([]);
  expect(machine.state.accounts.size).toBe(1);
  machine.submit(1, { tasks: 2 });
  expect(types(machine.place())).toEqual(['account.opened', 'attempt.assigned', 'attempt.assigned']);
  machine.submit(2);
  expect(types(machine.place())).toEqual(['attempt.assigned']);
  machine.wait(1000);
  machine.run(machine.finish(machine.task(1), 'completed'));
  expect(machine.check().available('acc_new' as AccountId)).toBeGreaterThan(0n);
});
