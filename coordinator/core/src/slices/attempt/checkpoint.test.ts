import { describe, expect, it } from 'vitest';
import { defaultRuleset } from '../../contract/ruleset.ts';
import { gib, jobId, Machine, nodeId, only } from '../../testing/harness.ts';

/** Nobody falls silent here. */
const rules = { ...defaultRuleset, unknownAfterMs: 1e12 };
const half = { resources: { cpuMilli: 4000, memoryBytes: gib, diskBytes: 0, shmBytes: 0 } };
const cheap = { ...half, interruptible: true, backoffInitialMs: 0, stopGraceMs: 10_000 } as const;

/** A task runs on node 0 and makes way for one that pays in full; node 1 has room from then on. */
function preempted(change: {
  readonly checkpoint?: true;
  readonly gang?: true;
  readonly tasks?: number;
}): Machine {
  const machine = Machine.ready(
    1,
    { interruptibleDiscountPercent: 40, cpuMilli: 4000 * (change.tasks ?? 1) },
    rules,
  );
  machine.submit(1, { ...cheap, ...change });
  machine.place();
  for (let index = 0; index < (change.tasks ?? 1); index++)
    machine.run(machine.progress(machine.task(1, index), 'running'));
  machine.submit(2, half);
  machine.tick();
  const events = machine.wait(31_000).tick();
  expect(only(events, 'attempt.ended').some(({ reason }) => reason === 'preempted')).toBe(true);
  machine.connect(1);
  return machine;
}
const letGo = (machine: Machine) =>
  machine.run({ ...machine.finish(machine.task(1), 'stopped'), node: nodeId(0), attempt: 1 } as never);
const placed = (machine: Machine) => machine.assignments().map(({ task }) => task);
const task1 = `${jobId(1)}.0`;

describe('a task with a checkpoint that makes way', () => {
  it('goes on once its node has let go, because then it is saved', () => {
    const machine = preempted({ checkpoint: true });
    expect(placed(machine)).not.toContain(task1);
    machine.wait(5000);
    letGo(machine);
    expect(placed(machine.check())).toContain(task1);
    expect(machine.task(1)).toMatchObject({ attempt: 2, node: nodeId(1) });
  });

  it('waits for no longer than its grace period and the time that there is to save it', () => {
    const machine = preempted({ checkpoint: true });
    placed(machine);
    const restarted = machine.wait(69_999).restart().check();
    expect(placed(restarted)).toEqual([]);
    expect(placed(restarted.wait(1))).toEqual([task1]);
    // Its node lets go late, and nothing comes of it.
    letGo(restarted);
    expect(restarted.check().task(1)).toMatchObject({ attempt: 2, state: 'assigned' });
  });

  it('does not wait where its node was lost meanwhile, nor without a checkpoint', () => {
    expect(placed(preempted({}))).toContain(task1);
    const machine = preempted({ checkpoint: true });
    placed(machine);
    machine.wait(1000).run({ type: 'node.direct', at: machine.now, node: nodeId(0), to: 'drain' });
    letGo(machine);
    expect(placed(machine.check())).toContain(task1);
  });

  it('is not held back by itself where it is one of a gang', () => {
    const machine = preempted({ checkpoint: true, gang: true, tasks: 2 });
    machine.connect(2);
    expect(placed(machine.check()).filter((task) => task.startsWith(jobId(1)))).toHaveLength(2);
  });
});
