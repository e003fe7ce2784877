import type { JobId } from '@capacloud/protocol/ids';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../contract/command.ts';
import { obstaclesOf } from '../../explain/obstacles.ts';
import { waitingReason } from '../../explain/waiting-reason.ts';
import { decide, needsPlacement } from '../../machine.ts';
import { decodeState, encodeState } from '../../snapshot.ts';
import { consumer, jobId, Machine, nodeId, offer, only, provider, terms } from '../../testing/harness.ts';
import { suspicionOf } from './isolation.ts';

const isolate = (machine: Machine, change: Partial<Parameters<typeof machine.run>[0]> & object) =>
  machine.run({
    type: 'subject.isolate',
    at: machine.now,
    subject: nodeId(0),
    stops: ['placement'],
    cause: 'place',
    ...change,
  } as never);

describe('an isolated node', () => {
  it('is given nothing, and everybody is told why; reinstated it is as before', () => {
    const machine = Machine.ready();
    isolate(machine, {});
    machine.submit(1);
    expect(machine.assignments()).toEqual([]);
    expect(obstaclesOf(machine.node(0), machine.job(1).terms, machine.notes.keepings)).toEqual([
      'node_isolated',
    ]);
    machine.connect(1);
    expect(machine.assignments()).toMatchObject([{ node: nodeId(1) }]);
    machine.check();
    machine.submit(2, { tasks: 40 });
    machine.place();
    machine.run({ type: 'subject.reinstate', at: machine.now, subject: nodeId(0) });
    expect(needsPlacement(machine.state, machine.notes)).toBe(true);
    expect(machine.assignments().every(({ node }) => node === nodeId(0))).toBe(true);
    expect(machine.refusal({ type: 'subject.reinstate', at: 1, subject: nodeId(0) })).toBe(
      'request.not_found',
    );
    machine.check();
  });

  it('stays so over a snapshot, a silence and a new session, and a new offer', () => {
    const machine = Machine.ready();
    isolate(machine, {});
    machine.connect(0, { offer: offer({ slots: 9 }) });
    const copy = decodeState(encodeState(machine.state));
    expect(encodeState(copy)).toBe(encodeState(machine.state));
    machine.restart().check().submit(1);
    expect(machine.assignments()).toEqual([]);
  });

  it('is heard no more where its own words broke the books, before and after it joins', () => {
    const machine = Machine.ready();
    machine.submit(1);
    machine.place();
    const task = machine.task(1);
    const stops = ['placement', 'commands'] as const;
    isolate(machine, { stops, cause: 'attempt.finish' });
    isolate(machine, { subject: nodeId(5), stops, cause: 'node.connect' });
    const at = machine.now;
    const connect = {
      type: 'node.connect',
      at,
      provider,
      accepting: true,
      held: [],
      offer: offer(),
    } as const;
    expect(machine.refusal({ ...connect, node: nodeId(0) })).toBe('node.isolated');
    expect(machine.refusal({ ...connect, node: nodeId(5) })).toBe('node.isolated');
    expect(machine.refusal(machine.finish(task, 'completed'))).toBe('node.isolated');
    expect(machine.refusal(machine.progress(task, 'running'))).toBe('node.isolated');
    // Its silence is taken, and what it had runs elsewhere.
    machine.connect(1);
    machine.wait(120_000).tick(1);
    machine.wait(60_000).tick(1);
    machine.place();
    // Its record may be gone; what is known against it is not.
    expect(machine.state.nodes.get(nodeId(0))?.status ?? 'lost').toBe('lost');
    expect(machine.task(1).node).toBe(nodeId(1));
    expect(machine.refusal({ ...connect, at: machine.now, node: nodeId(0) })).toBe('node.isolated');
    machine.check();
  });

  it('is left as it is by time where time broke the books', () => {
    const machine = Machine.ready();
    machine.submit(1);
    machine.place();
    isolate(machine, { stops: ['placement', 'time'], cause: 'tick' });
    expect(machine.wait(10_000_000).tick()).toEqual([]);
    expect(machine.node(0).status).toBe('ready');
    machine.run({ type: 'subject.reinstate', at: machine.now, subject: nodeId(0) });
    machine.tick();
    expect(machine.node(0).status).toBe('lost');
  });
});

describe('a job', () => {
  it('that is isolated waits, lets others go on, and can be cancelled', () => {
    const machine = Machine.ready();
    machine.submit(1);
    isolate(machine, { subject: jobId(1), stops: ['placement'] });
    machine.submit(2);
    expect(machine.assignments().map(({ task }) => task)).toEqual([machine.task(2).id]);
    expect(waitingReason(machine.state, machine.notes, jobId(1))?.reason).toBe('job_isolated');
    machine.restart().check();
    expect(machine.assignments()).toEqual([]);
    machine.cancel(1);
    expect(machine.state.isolated.size).toBe(0);
    machine.check();
  });

  it('that sent what broke the books is refused, but to the operator', () => {
    const machine = Machine.ready();
    machine.submit(1);
    isolate(machine, { subject: jobId(1), stops: ['placement', 'commands'] });
    const cancel = { type: 'job.cancel', at: machine.now, job: jobId(1), consumer } as const;
    expect(machine.refusal(cancel)).toBe('job.isolated');
    expect(only(machine.run({ ...cancel, isForced: true }), 'job.settled')).toHaveLength(1);
  });

  it('is to blame where it was there with two nodes, which are free again', () => {
    const machine = Machine.ready(3);
    machine.submit(1);
    const beside: JobId = jobId(1);
    isolate(machine, { beside });
    isolate(machine, { subject: nodeId(2) });
    expect([machine.node(0).isIsolated, machine.job(1).isIsolated]).toEqual([true, false]);
    isolate(machine, { subject: nodeId(1), beside });
    expect([0, 1, 2].map((n) => machine.node(n).isIsolated)).toEqual([false, false, true]);
    expect(machine.job(1).isIsolated).toBe(true);
    machine.check();
  });
});

it('refuses the jobs of an account that broke the books, and nothing else of it', () => {
  const machine = Machine.ready();
  machine.submit(1);
  isolate(machine, { subject: consumer, stops: ['commands'], cause: 'job.submit' });
  const submit = { type: 'job.submit', at: machine.now, job: jobId(2), consumer, terms: terms() } as const;
  expect(machine.refusal(submit)).toBe('account.isolated');
  expect(machine.assignments()).toHaveLength(1);
});

it('says the same twice once, and adds to what was said', () => {
  const machine = Machine.ready();
  isolate(machine, {});
  expect(isolate(machine, {})).toEqual([]);
  expect(isolate(machine, { stops: ['commands'] })).toMatchObject([{ stops: ['placement', 'commands'] }]);
  // A job that has ended, and what nobody knows.
  expect(isolate(machine, { subject: jobId(7) })).toEqual([]);
});

it('suspects the sender, and of the coordinator itself what it was busy with', () => {
  const machine = Machine.ready();
  machine.submit(1);
  const { notes, now: at, state } = machine;
  const place = { type: 'place', at } as const;
  const result = decide(state, place, notes);
  if (!result.ok) expect.fail(result.refusal.message);
  const assigned = result.value[0];
  const both = { subject: nodeId(0), beside: jobId(1), cause: 'place', stops: ['placement'] };
  expect(suspicionOf(state, place, notes.busy)).toEqual(both);
  expect(suspicionOf(state, place, notes.busy, assigned)).toEqual(both);
  machine.place();
  const finish = machine.finish(machine.task(1), 'completed');
  expect(suspicionOf(state, finish, notes.busy)).toMatchObject({ subject: nodeId(0), beside: jobId(1) });
  const submit = { type: 'job.submit', at, job: jobId(2), consumer, terms: terms() } as const;
  expect(suspicionOf(state, submit, notes.busy)).toMatchObject({ subject: consumer, stops: ['commands'] });
  const credit = { type: 'account.credit', at, account: consumer, amountNano: 1n, ref: 'x' } as const;
  expect(suspicionOf(state, credit, notes.busy)).toBeUndefined();
  const tick = { type: 'tick', at, heard: new Map(), listeningSince: 0 } as const;
  const lost = { at, cause: 'silent', node: nodeId(0), to: 'unknown', type: 'node.status_changed' } as const;
  expect(suspicionOf(state, tick, notes.busy, lost)).toMatchObject({
    subject: nodeId(0),
    stops: ['placement', 'time'],
  });
});

it('suspects no job that a node only names, and none twice', () => {
  const machine = Machine.ready(3);
  machine.submit(1);
  machine.place();
  const task = machine.task(1);
  const stranger = nodeId(task.node === nodeId(0) ? 1 : 0);
  const finish = machine.finish(task, 'completed');
  const named = { ...finish, node: stranger } as Command;
  expect(suspicionOf(machine.state, named, machine.notes.busy)).toMatchObject({ subject: stranger });
  expect(suspicionOf(machine.state, named, machine.notes.busy)).not.toHaveProperty('beside');
  expect(suspicionOf(machine.state, finish, machine.notes.busy)).toMatchObject({ beside: jobId(1) });
  // Two nodes broke the books with the job, which is kept away from. Then it was not the job alone.
  const beside: JobId = jobId(1);
  for (const n of [0, 1, 2]) isolate(machine, { subject: nodeId(n), beside });
  expect([0, 1, 2].map((n) => machine.node(n).isIsolated)).toEqual([false, false, true]);
  expect(isolate(machine, { subject: nodeId(1), beside })).toMatchObject([{ subject: nodeId(1) }]);
  expect([0, 1, 2].map((n) => machine.node(n).isIsolated)).toEqual([false, true, true]);
  machine.check();
});

describe('a tick that breaks', () => {
  it('over the end of a silent node suspects the job as well, and afterwards leaves it alone', () => {
    const machine = Machine.ready(2);
    machine.submit(1);
    machine.place();
    const { node } = machine.task(1);
    const { notes, state } = machine;
    machine.wait(600_000);
    const heard = new Map(
      [...state.nodes.keys()].filter((id) => id !== node).map((id) => [id, heardNow(machine)]),
    );
    const tick = { type: 'tick', at: machine.now, heard, listeningSince: 0 } as const;
    const spec = machine.job(1);
    state.jobs.delete(spec.id);
    expect(() => decide(state, tick, notes)).toThrow();
    expect(suspicionOf(state, tick, notes.busy)).toMatchObject({ subject: node, beside: jobId(1) });
    state.jobs.set(spec.id, spec);
    isolate(machine, { subject: jobId(1), stops: ['placement', 'time'], cause: 'tick' });
    machine.run(tick);
    machine.run(tick);
    expect(machine.task(1).node).toBe(node);
    machine.check();
  });

  it('over anything else suspects no node that was looked at before', () => {
    const machine = Machine.ready(2);
    const { preemptions } = machine.notes;
    preemptions.review = () => {
      throw new Error('broken');
    };
    const tick = { type: 'tick', at: machine.now, heard: new Map(), listeningSince: 0 } as const;
    expect(() => decide(machine.state, tick, machine.notes)).toThrow('broken');
    expect(suspicionOf(machine.state, tick, machine.notes.busy)).toBeUndefined();
  });
});

const heardNow = ({ now }: Machine) => ({ lastAt: now, sinceAt: now });

it('places nothing while it is paused', () => {
  const machine = Machine.ready();
  machine.submit(1);
  machine.notes.isPaused = true;
  expect(needsPlacement(machine.state, machine.notes)).toBe(false);
  expect([...machine.place(), ...machine.tick(0)]).toEqual([]);
  expect(waitingReason(machine.state, machine.notes, jobId(1))?.reason).toBe('safe_mode');
  machine.notes.isPaused = false;
  expect(machine.assignments()).toHaveLength(1);
});
