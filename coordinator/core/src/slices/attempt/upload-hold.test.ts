import type { AccountId } from '@capacloud/protocol/ids';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../contract/command.ts';
import type { HoldCause } from '../../contract/event.ts';
import { defaultRuleset } from '../../contract/ruleset.ts';
import { waitingReason } from '../../explain/waiting-reason.ts';
import { gib, jobId, Machine, only, provider, terms, types } from '../../testing/harness.ts';

const dayMs = 24 * 3600_000;
const gpu = {
  id: 'GPU-0',
  vendor: 'nvidia',
  model: 'rtx-4090',
  memoryBytes: 24 * gib,
  health: 'healthy',
} as const;
const whole = { cpuMilli: 8000, memoryBytes: 32 * gib, diskBytes: gib, shmBytes: 0, devices: { count: 1 } };
const eve = 'acc_eve' as AccountId;

/** A task that took all of its node has run for a minute and uploads now. */
function uploading(change: Parameters<Machine['submit']>[1] = {}): Machine {
  const machine = Machine.ready(1, { devices: [gpu] });
  machine.submit(1, { resources: whole, outputs: true, ...change });
  machine.place();
  machine.run(machine.progress(machine.task(1), 'running'));
  machine.wait(60_000).run(machine.progress(machine.task(1), 'uploading'));
  return machine;
}
function hold(machine: Machine, cause: HoldCause = 'account', isFull = false): Command {
  const { attempt, id, node } = machine.task(1);
  if (node === undefined) throw new Error('it is nowhere');
  return {
    type: 'attempt.hold_upload',
    at: machine.now,
    node,
    task: id,
    attempt,
    cause,
    isFull,
    sizeBytes: 10,
  };
}
function resume(machine: Machine): Command {
  const { attempt, id } = machine.task(1);
  return { type: 'attempt.resume_upload', at: machine.now, task: id, attempt };
}
const failures = (machine: Machine) => machine.node(0).standing.failures.length;

describe('outputs that the store has no room for', () => {
  it('stop the clock of the upload, and are paid for their run alone when they have come', () => {
    const machine = uploading();
    machine.wait(1000).run(hold(machine));
    expect(machine.check().task(1)).toMatchObject({ state: 'uploading', reason: 'quota_full' });
    expect(machine.wait(dayMs - 60_000).tick(0)).toEqual([]);
    // A receipt that claims the wait as well is paid for what went before it.
    const [ended] = only(machine.run(machine.finish(machine.task(1), 'completed', dayMs)), 'attempt.ended');
    expect(ended?.then).toMatchObject({ kind: 'succeeded', meteredMs: 61_000 });
    expect(machine.check().state.held.size).toBe(0);
  });

  it("end after a day as nobody's failure, run no more and are not paid", () => {
    for (const [cause, reason] of [
      ['account', 'quota_full'],
      ['store', 'store_full'],
    ] as const) {
      const machine = uploading();
      const before = machine.available(provider);
      machine.run(hold(machine, cause));
      expect(machine.wait(dayMs - 1).tick(0)).toEqual([]);
      const [ended] = only(machine.wait(1).tick(0), 'attempt.ended');
      expect(ended).toMatchObject({ reason, released: false, then: { kind: 'failed' } });
      expect([failures(machine), machine.available(provider)]).toEqual([0, before]);
      expect(machine.available()).toBe(10n ** 15n);
      machine.check();
    }
  });

  it('are counted from the first refusal, however often there was room for a moment', () => {
    const machine = uploading();
    machine.run(hold(machine));
    machine.wait(dayMs / 2).run(resume(machine));
    expect(machine.check().task(1)).toMatchObject({ reason: 'progressing', held: undefined });
    machine.wait(1000).run(hold(machine, 'store'));
    expect(machine.task(1).reason).toBe('store_full');
    expect(machine.wait(dayMs / 2 - 1001).tick(0)).toEqual([]);
    expect(only(machine.wait(1).tick(0), 'attempt.ended')).toMatchObject([{ reason: 'store_full' }]);
  });

  it("have the usual time again once there is room, and are the node's to bring then", () => {
    const machine = uploading();
    machine.run(hold(machine));
    machine.wait(3600_000).run(resume(machine));
    expect(machine.wait(defaultRuleset.uploadTimeoutMs - 1).tick(0)).toEqual([]);
    expect(only(machine.wait(1).tick(0), 'attempt.ended')).toMatchObject([
      { reason: 'upload_timeout', then: { kind: 'requeued', budget: 'provider' } },
    ]);
    expect(failures(machine.check())).toBe(1);
  });

  it('take nothing of their node but disk, across a restart as well', () => {
    const machine = uploading();
    expect(machine.free(0)).toMatchObject({ slots: 3, cpuMilli: 0 });
    machine.run(hold(machine));
    const restarted = machine.check().restart().check();
    expect(restarted.free(0)).toMatchObject({
      slots: 4,
      cpuMilli: 8000,
      memoryBytes: 32 * gib,
      diskBytes: 99 * gib,
    });
    expect(restarted.node(0).deviceUse.size).toBe(0);
    restarted.run({ type: 'account.open', at: restarted.now, account: eve });
    restarted.run({
      type: 'account.credit',
      at: restarted.now,
      account: eve,
      amountNano: 10n ** 12n,
      ref: 'eve',
    });
    const job = { type: 'job.submit', at: restarted.now, job: jobId(7), consumer: eve } as const;
    restarted.run({ ...job, terms: terms({ resources: whole, outputs: true }) });
    // Of another account, whose storage has room: it gets the whole node.
    expect(restarted.assignments()).toMatchObject([{ task: `${jobId(7)}.0`, devices: ['GPU-0'] }]);
    restarted.run(restarted.finish(restarted.task(1), 'completed', 1000));
    expect(restarted.check().free(0)).toMatchObject({ cpuMilli: 0, diskBytes: 99 * gib });
  });

  it('hold up new work of their consumer, and say why, until there is room', () => {
    const machine = uploading();
    machine.run(hold(machine));
    machine.submit(2);
    expect(machine.assignments()).toEqual([]);
    expect(waitingReason(machine.state, machine.notes, jobId(2))).toMatchObject({ reason: 'quota_full' });
    machine.run(resume(machine));
    expect(waitingReason(machine.state, machine.notes, jobId(2))?.reason).toBe('no_capacity');
    expect(machine.assignments()).toHaveLength(1);
  });

  it('hold up outputs of everybody where the store as a whole is full, and nothing else', () => {
    const machine = uploading();
    machine.run(hold(machine, 'store', true));
    machine.run({ type: 'account.open', at: machine.now, account: eve });
    machine.run({
      type: 'account.credit',
      at: machine.now,
      account: eve,
      amountNano: 10n ** 12n,
      ref: 'eve',
    });
    const job = { type: 'job.submit', at: machine.now, consumer: eve } as const;
    machine.run({ ...job, job: jobId(7), terms: terms({ outputs: true }) });
    machine.run({ ...job, job: jobId(8), terms: terms() });
    expect(machine.assignments()).toMatchObject([{ task: `${jobId(8)}.0` }]);
    expect(waitingReason(machine.state, machine.notes, jobId(7))).toMatchObject({ reason: 'store_full' });
    machine.run(hold(machine, 'store', false));
    expect(machine.assignments()).toMatchObject([{ task: `${jobId(7)}.0` }]);
    machine.check();
  });

  it('are no fault of an agent that gives them up', () => {
    const machine = uploading();
    machine.run(hold(machine, 'store'));
    const [ended] = only(machine.run(machine.finish(machine.task(1), 'upload_failed')), 'attempt.ended');
    expect(ended).toMatchObject({ reason: 'store_full', then: { kind: 'failed' } });
    expect(failures(machine.check())).toBe(0);
  });

  it('are held by the word of the coordinator alone: once uploading, once told, and by rules that say so', () => {
    const machine = uploading();
    expect(types(machine.run(hold(machine)))).toEqual(['upload.held']);
    expect(machine.run(hold(machine))).toEqual([]);
    expect(machine.run({ ...hold(machine), attempt: 1, at: machine.now + 1 } as never)).toEqual([]);
    const running = Machine.ready();
    running.submit(1);
    running.place();
    running.run(running.progress(running.task(1), 'running'));
    expect(running.run(hold(running))).toEqual([]);
    expect(running.run(resume(running))).toEqual([]);
    const { uploadHoldMs: _, ...before } = defaultRuleset;
    const old = uploading();
    old.run({ type: 'ruleset.change', at: old.now, ruleset: before });
    expect(old.run(hold(old))).toEqual([]);
  });

  it('come to wait so many times, however often their node and its store change their mind', () => {
    const machine = uploading();
    const most = machine.state.ruleset.maxUploadHolds ?? expect.fail('no bound');
    let holds = 0;
    for (let n = 0; n < 2 * most; n++) {
      const cause = n % 2 === 0 ? 'store' : 'account';
      holds += only(machine.run(hold(machine, cause)), 'upload.held').length;
      if (n % 3 === 0) machine.run(resume(machine));
      if (n === most / 2) machine.restart();
    }
    expect(holds).toBe(most);
    machine.check();
  });

  it('are let go of with their job', () => {
    const machine = uploading();
    machine.run(hold(machine, 'store', true));
    machine.cancel(1);
    expect([machine.state.held.size, machine.state.fullHolds]).toEqual([0, 0]);
    machine.check();
  });
});
