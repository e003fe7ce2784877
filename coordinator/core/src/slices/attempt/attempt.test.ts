import { describe, expect, it } from 'vitest';
import { consumer, jobId, Machine, nodeId, only, provider, types } from '../../testing/harness.ts';

/** One task, placed on node 0. */
function placed(change: Parameters<Machine['submit']>[1] = {}) {
  const machine = Machine.ready();
  machine.submit(1, change);
  machine.place();
  return { machine, task: machine.task(1) };
}

describe('an attempt', () => {
  it('goes its way, is paid once, and leaves nothing behind', () => {
    const { machine, task } = placed();
    const before = machine.available();
    expect(machine.state.house.holds).toBe(2_000_000n);
    for (const stage of ['pulling', 'starting', 'running'] as const)
      machine.run(machine.wait(10).progress(task, stage));
    machine.wait(1_800_000);
    const events = machine.run(machine.finish(task, 'completed'));
    expect(types(events)).toEqual(['attempt.ended', 'job.settled']);
    expect(events[0]).toMatchObject({
      released: true,
      receipt: 'a'.repeat(64),
      then: {
        kind: 'succeeded',
        chargeNano: '500000',
        payNano: '485000',
        feeNano: '15000',
        meteredMs: 1_800_000,
      },
    });
    expect(machine.available(provider)).toBe(485_000n);
    expect(machine.available()).toBe(before + 1_500_000n);
    expect([machine.state.house.fees, machine.state.house.holds]).toEqual([15_000n, 0n]);
    expect([machine.state.jobs.size, machine.state.tasks.size, machine.node(0).occupied.size]).toEqual([
      0, 0, 0,
    ]);
  });

  it('accepts a jump forward and a repeat, and refuses to go back', () => {
    const { machine, task } = placed();
    expect(types(machine.run(machine.progress(task, 'running')))).toEqual(['attempt.progressed']);
    expect(machine.run(machine.progress(task, 'running'))).toEqual([]);
    expect(machine.refusal(machine.progress(task, 'pulling'))).toBe('attempt.transition_invalid');
    expect(machine.task(1).state).toBe('running');
  });

  // FENCE-2
  it('is reported by its own node only', () => {
    const { machine, task } = placed();
    machine.connect(1);
    const stranger = { node: nodeId(1) };
    expect(machine.refusal({ ...machine.progress(task, 'running'), ...stranger } as never)).toBe(
      'attempt.unknown',
    );
    expect(machine.refusal({ ...machine.finish(task, 'completed'), ...stranger } as never)).toBe(
      'attempt.unknown',
    );
    expect(machine.refusal({ ...machine.finish(task, 'completed'), attempt: 2 } as never)).toBe(
      'attempt.unknown',
    );
    expect(machine.refusal({ ...machine.finish(task, 'completed'), task: `${jobId(9)}.0` } as never)).toBe(
      'attempt.unknown',
    );
  });

  // FENCE-1, HOLD-1
  it('that finished is fenced when it reports again, and its money does not move twice', () => {
    const { machine } = placed({ tasks: 2 });
    const task = machine.task(1, 0);
    const finish = machine.finish(task, 'completed');
    machine.wait(1000).run(finish);
    const paid = machine.available(provider);
    expect(machine.refusal(finish)).toBe('attempt.fenced');
    expect(machine.available(provider)).toBe(paid);
  });

  it.each([
    ['the claim, where it is lower', 400, 1000, 400],
    ["the coordinator's clock since running, where the claim is higher", 5000, 1000, 1000],
    ['the time since assignment, where running came in the same moment', 5000, 0, 500],
    ['the longest run that the job allows', 1e9, 1e8, 3_610_000],
  ])('is metered by %s', (_name, claimed, ran, expected) => {
    const { machine, task } = placed();
    machine.run(machine.wait(500).progress(task, 'running'));
    const [ended] = only(machine.run(machine.wait(ran).finish(task, 'completed', claimed)), 'attempt.ended');
    expect(ended?.then).toMatchObject({ meteredMs: expected });
  });

  // PAY-2
  it('never costs more than its hold', () => {
    const { machine, task } = placed({ holdNano: 7n, maxRateNano: 1_000_000n });
    const [ended] = only(machine.run(machine.wait(3_600_000).finish(task, 'completed')), 'attempt.ended');
    expect(ended?.then).toMatchObject({ chargeNano: '7', payNano: '6', feeNano: '1' });
  });

  it('earns nothing when it fails', () => {
    const { machine, task } = placed();
    const before = machine.available();
    machine.run(machine.wait(1000).finish(task, 'image_not_found'));
    expect([machine.available(provider), machine.available()]).toEqual([0n, before + 2_000_000n]);
  });
});

describe('retries', () => {
  function fail(machine: Machine, reason: Parameters<Machine['finish']>[1], exitCode = 1) {
    const task = machine.task(1);
    const [ended] = only(machine.run(machine.finish(task, reason, 0, exitCode)), 'attempt.ended');
    machine.wait(100_000).connect(0);
    machine.place();
    return ended?.then;
  }

  it("spends the consumer's budget on the job's own errors", () => {
    const { machine } = placed({ maxAttempts: 2 });
    expect(fail(machine, 'exit_nonzero')).toMatchObject({ kind: 'requeued', budget: 'own' });
    expect(machine.task(1).attempt).toBe(2);
    expect(fail(machine, 'exit_nonzero')).toEqual({ kind: 'failed' });
  });

  it.each([
    ['run_timeout', 'a reason that retry.on does not name'],
    ['image_not_found', 'a reason that nothing covers'],
  ] as const)('does not retry %s: %s', (reason, _why) => {
    const { machine } = placed({ maxAttempts: 5 });
    expect(fail(machine, reason)).toEqual({ kind: 'failed' });
  });

  it('looks at exit codes where the job lists some', () => {
    const { machine } = placed({ maxAttempts: 5, retryExitCodes: [75] });
    expect(fail(machine, 'exit_nonzero', 75)).toMatchObject({ kind: 'requeued' });
    expect(fail(machine, 'oom_killed', 137)).toMatchObject({ kind: 'requeued' });
    expect(fail(machine, 'exit_nonzero', 1)).toEqual({ kind: 'failed' });
  });

  it("spends the other budget on providers' faults and on ours", () => {
    const { machine } = placed({ maxAttempts: 1, providerLost: 2 });
    expect(fail(machine, 'engine_lost')).toMatchObject({ kind: 'requeued', budget: 'provider' });
    expect(fail(machine, 'input_unavailable')).toMatchObject({ kind: 'requeued', budget: 'provider' });
    expect(fail(machine, 'agent_failed')).toEqual({ kind: 'failed' });
  });

  it('takes a stop that nobody asked for as nobody’s fault', () => {
    const { machine } = placed({ maxAttempts: 1, providerLost: 0 });
    expect(fail(machine, 'stopped')).toMatchObject({ kind: 'requeued', budget: 'free' });
    expect(machine.task(1)).toMatchObject({ attempt: 2, ownErrors: 0, providerLosses: 0, freeRequeues: 1 });
  });

  it('backs off longer each time, to a limit, and waits that long', () => {
    const { machine } = placed({ maxAttempts: 9, backoffInitialMs: 1000, backoffMaxMs: 4000 });
    for (const fullMs of [1000, 2000, 4000, 4000]) {
      const [ended] = only(
        machine.run(machine.finish(machine.task(1), 'exit_nonzero', 0, 1)),
        'attempt.ended',
      );
      const then = ended?.then;
      if (then?.kind !== 'requeued') throw new Error('not requeued');
      expect(then.notBefore - machine.now).toBeGreaterThanOrEqual(fullMs / 2);
      expect(then.notBefore - machine.now).toBeLessThanOrEqual(fullMs);
      machine.now = then.notBefore - 1;
      expect(machine.place()).toEqual([]);
      expect(machine.restart().wait(1).tick(0)).toMatchObject([{ type: 'attempt.assigned' }]);
    }
  });

  it('goes to another node after a provider’s fault, and back when there is none', () => {
    const machine = Machine.ready(2);
    machine.submit(1, { providerLost: 5 });
    machine.place();
    expect(machine.task(1).node).toBe(nodeId(0));
    machine.run(machine.finish(machine.task(1), 'engine_lost'));
    machine.wait(60_000).tick(0, 1);
    expect(machine.task(1).node).toBe(nodeId(1));
    machine.run(machine.finish(machine.task(1), 'engine_lost'));
    machine.wait(60_000).tick(0, 1);
    expect(machine.task(1)).toMatchObject({ node: nodeId(0), attempt: 3, avoid: [nodeId(0), nodeId(1)] });
  });
});

describe('clocks', () => {
  it.each([
    ['assigned', undefined, 60_000, 'assignment_timeout'],
    ['pulling', 'pulling', 30 * 60_000, 'pull_timeout'],
    ['starting', 'starting', 5 * 60_000, 'start_timeout'],
    ['running', 'running', 3_600_000 + 10_000 + 60_000, 'run_timeout'],
    ['uploading', 'uploading', 30 * 60_000, 'upload_timeout'],
  ] as const)('%s ends in time', (_name, stage, limitMs, reason) => {
    const { machine, task } = placed({ retryOn: ['timeout'] });
    if (stage !== undefined) machine.run(machine.wait(1234).progress(task, stage));
    expect(machine.wait(limitMs - 1).tick(0)).toEqual([]);
    const [ended] = only(machine.restart().wait(1).tick(0), 'attempt.ended');
    expect(ended).toMatchObject({ reason, released: false, then: { kind: 'requeued' } });
    // Its node still holds it: nothing else takes its room, and the task does not come back there before it is gone.
    expect(machine.free(0).slots).toBe(3);
    machine.wait(60_000).tick(0);
    expect(machine.task(1).state).toBe('queued');
    const late = { ...machine.finish(machine.task(1), 'stopped'), attempt: 1 } as const;
    expect(types(machine.run(late as never))).toEqual(['attempt.released']);
    expect(machine.refusal(late as never)).toBe('attempt.fenced');
    expect(machine.place()).toMatchObject([{ type: 'attempt.assigned', attempt: 2 }]);
  });

  const assignMs = 60_000;
  const silentMs = 15_000;
  const lostMs = 65_000;

  it.each([
    ['has just come back', { lastAt: assignMs, sinceAt: assignMs - silentMs + 1 }],
    ['has not spoken since the deadline', { lastAt: assignMs - 1, sinceAt: 0 }],
  ])('wait for a node that %s', (_, { lastAt, sinceAt }) => {
    const { machine } = placed();
    const assignedAt = machine.now;
    const contact = { lastAt: assignedAt + lastAt, sinceAt: assignedAt + sinceAt };
    expect(machine.wait(assignMs).tickHearing([[0, contact]])).toEqual([]);
    // With both, it is over.
    const said = { lastAt: machine.now + 1, sinceAt: machine.now + 1 - silentMs };
    expect(only(machine.wait(1).tickHearing([[0, said]]), 'attempt.ended')).toHaveLength(1);
  });

  it('wait no longer than a lease for a node that comes back again and again', () => {
    const { machine } = placed();
    machine.wait(assignMs);
    const flapping = () => [[0, { lastAt: machine.now, sinceAt: machine.now }]] as const;
    expect(machine.wait(lostMs - 1).tickHearing(flapping())).toEqual([]);
    expect(only(machine.wait(1).tickHearing(flapping()), 'attempt.ended')).toMatchObject([
      { reason: 'assignment_timeout' },
    ]);
  });

  it('count that lease from when the coordinator began to listen', () => {
    const { machine } = placed();
    // An hour of ours, by the wall clock: its end says nothing of the node.
    machine.wait(3_600_000);
    const startedAt = machine.now;
    const back = () => [[0, { lastAt: machine.now, sinceAt: machine.now }]] as const;
    expect(machine.tickHearing(back(), startedAt)).toEqual([]);
    expect(machine.wait(lostMs - 1).tickHearing(back(), startedAt)).toEqual([]);
    expect(only(machine.wait(1).tickHearing(back(), startedAt), 'attempt.ended')).toHaveLength(1);
  });

  it('are set anew when the rules change', () => {
    const { machine } = placed();
    machine.run({
      type: 'ruleset.change',
      at: machine.now,
      ruleset: { ...machine.state.ruleset, assignTimeoutMs: 10 },
    });
    expect(only(machine.check().wait(10).tick(0), 'attempt.ended')).toHaveLength(1);
  });
});

it('settles a cancelled job when the last node has let go', () => {
  const machine = Machine.ready();
  const before = machine.available();
  machine.submit(1, { tasks: 6 });
  machine.place();
  const task = machine.task(1, 0);
  expect(machine.refusal({ type: 'job.cancel', at: machine.now, job: jobId(1), consumer: provider })).toBe(
    'request.not_found',
  );
  expect(machine.cancel(1)).toEqual([{ type: 'job.cancelled', at: machine.now, job: jobId(1) }]);
  expect(machine.check().available(consumer)).toBe(before);
  expect(task).toMatchObject({ state: 'cancelled', hold: 'voided' });
  expect(machine.refusal({ type: 'job.cancel', at: machine.now, job: jobId(1), consumer })).toBe(
    'job.terminal',
  );
  expect(machine.free(0).slots).toBe(0);
  const refs = [...machine.node(0).occupied.keys()];
  const released = refs.map((id) =>
    types(
      machine.run({ ...machine.finish(task, 'stopped'), task: id, attempt: 1, node: nodeId(0) } as never),
    ),
  );
  expect(released.at(-1)).toEqual(['attempt.released', 'job.settled']);
  expect(machine.check().state.jobs.size).toBe(0);
});
