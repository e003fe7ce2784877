import type { AccountId } from '@capacloud/protocol/ids';
import { expect, it } from 'vitest';
import { Explanation } from '../../explain/explanation.ts';
import { waitingReason } from '../../explain/waiting-reason.ts';
import { Machine, nodeId, offer, only } from '../../testing/harness.ts';
import { refusingOwners } from '../job/misfits.ts';

const owner = (n: number) => `acc_owner${n}` as AccountId;

function network(owners: number): Machine {
  const machine = Machine.ready(0);
  for (let n = 0; n < owners; n++) machine.connect(n, { provider: owner(n), offer: offer() });
  return machine;
}

function end(
  machine: Machine,
  reason: 'registry_not_allowed' | 'image_too_large' | 'registry_failed' | 'image_refused',
  index = 0,
) {
  return only(machine.run(machine.finish(machine.task(1, index), reason)), 'attempt.ended');
}

function expectNoBlame(machine: Machine): void {
  for (const { standing } of machine.state.nodes.values())
    expect(standing).toMatchObject({ endings: 0, failures: [], restUntil: 0 });
  expect(machine.state.losses.size).toBe(0);
}

it('keeps a job from the owner who refuses its registry, at no cost to anybody', () => {
  const machine = network(2);
  machine.submit(1, { maxRateNano: 10n ** 9n, providerLost: 0, maxAttempts: 1 });
  const [first] = machine.assignments();
  expect(end(machine, 'registry_not_allowed')).toMatchObject([
    { then: { kind: 'requeued', budget: 'free' } },
  ]);
  machine.wait(10_000).restart().check();
  const [second] = machine.assignments();
  expect(second?.node).not.toBe(first?.node);
  end(machine, 'registry_not_allowed');
  machine.wait(10_000).check();
  expect(machine.assignments()).toEqual([]);
  expectNoBlame(machine);
  expect(waitingReason(machine.state, machine.notes, machine.job(1).id)).toEqual({
    reason: 'registry_not_allowed',
    message:
      '2 nodes belong to owners who do not allow the registry of the image, and no other node could run a task of this job.',
  });
  const explanation = new Explanation(machine.job(1).terms, machine.notes.keepings);
  for (const node of machine.state.nodes.values()) explanation.look(node);
  expect(explanation.counts()).toMatchObject([{ obstacle: 'registry', nodes: 2, alone: 2 }]);
  machine.connect(9, { provider: owner(9), offer: offer() });
  expect(machine.assignments()).toMatchObject([{ node: nodeId(9) }]);
});

it('keeps a job from the owner who has no room for its image, and no other', () => {
  const machine = network(2);
  machine.submit(1, { maxRateNano: 10n ** 9n, providerLost: 0, maxAttempts: 1 });
  const [first] = machine.assignments();
  expect(end(machine, 'image_too_large')).toMatchObject([{ then: { kind: 'requeued', budget: 'free' } }]);
  machine.wait(10_000).restart().check();
  const [second] = machine.assignments();
  expect(second?.node).not.toBe(first?.node);
  end(machine, 'image_too_large');
  machine.wait(10_000).check();
  expect(machine.assignments()).toEqual([]);
  expectNoBlame(machine);
  expect(waitingReason(machine.state, machine.notes, machine.job(1).id)).toEqual({
    reason: 'image_too_large',
    message:
      '2 nodes belong to owners who give too little room to images for that of the job, and no other node could run a task of it.',
  });
  const explanation = new Explanation(machine.job(1).terms, machine.notes.keepings);
  for (const node of machine.state.nodes.values()) explanation.look(node);
  expect(explanation.counts()).toMatchObject([{ obstacle: 'image_size', nodes: 2, alone: 2 }]);
  machine.connect(9, { provider: owner(9), offer: offer() });
  expect(machine.assignments()).toMatchObject([{ node: nodeId(9) }]);
});

it.each(['registry_not_allowed', 'image_too_large'] as const)(
  'ends when many owners say %s, and not by the word of one',
  (reason) => {
    const machine = network(refusingOwners);
    machine.submit(1, { maxRateNano: 10n ** 9n });
    for (let n = 1; n < refusingOwners; n++) {
      expect(machine.wait(100_000).assignments()).toHaveLength(1);
      expect(end(machine, reason)).toMatchObject([{ then: { kind: 'requeued' } }]);
    }
    expect(machine.wait(100_000).assignments()).toHaveLength(1);
    expect(end(machine, reason)).toMatchObject([{ then: { kind: 'failed' } }]);
    machine.check();
    expectNoBlame(machine);
  },
);

it('takes the budget for nodes and the name of none where the registry fails, and goes to another owner', () => {
  const machine = network(3);
  machine.submit(1, { maxRateNano: 10n ** 9n, providerLost: 2 });
  const seen = new Set<string>();
  for (const reason of ['registry_failed', 'image_refused'] as const) {
    const [assigned] = machine.wait(100_000).assignments();
    expect(seen.has(assigned?.node ?? '')).toBe(false);
    seen.add(assigned?.node ?? '');
    expect(end(machine, reason)).toMatchObject([{ then: { kind: 'requeued', budget: 'provider' } }]);
    machine.restart().check();
  }
  const [last] = machine.wait(100_000).assignments();
  expect(seen.has(last?.node ?? '')).toBe(false);
  expect(end(machine, 'registry_failed')).toMatchObject([{ then: { kind: 'failed' } }]);
  machine.check();
  expectNoBlame(machine);
});

it('takes such words back when a task succeeds', () => {
  const machine = network(3);
  machine.submit(1, { maxRateNano: 10n ** 9n, tasks: 3, providerLost: 2 });
  expect(machine.assignments()).toHaveLength(3);
  end(machine, 'registry_failed', 0);
  end(machine, 'registry_not_allowed', 1);
  expect(machine.job(1).terms.misfits).toHaveLength(2);
  machine.run(machine.progress(machine.task(1, 2), 'running'));
  machine.run(machine.finish(machine.task(1, 2), 'completed'));
  expect(machine.job(1).terms.misfits).toMatchObject([{ cause: 'registry_not_allowed' }]);
  machine.check();
});

it('lets the queue timeout go on where all owners refuse', () => {
  const machine = network(1);
  machine.submit(1, { maxRateNano: 10n ** 9n, queueTimeoutMs: 60_000 });
  machine.assignments();
  end(machine, 'registry_not_allowed');
  machine.wait(70_000);
  expect(only(machine.tick(0, 1), 'task.ended')).toMatchObject([{ reason: 'queue_timeout' }]);
  machine.check();
});
