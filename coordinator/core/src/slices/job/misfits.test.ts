import { type AccountId, taskIdOf } from '@capacloud/protocol/ids';
import { expect, it } from 'vitest';
import { Explanation } from '../../explain/explanation.ts';
import { waitingReason } from '../../explain/waiting-reason.ts';
import { encodeState } from '../../snapshot.ts';
import { StateCapture } from '../../state-capture.ts';
import { jobId, Machine, nodeId, offer, only } from '../../testing/harness.ts';
import { misfitsOf } from './misfits.ts';

const owner = (n: number) => `acc_owner${n}` as AccountId;
const dear = { ...offer().ask, cpuHourNano: '5000000' };

/** Nodes of amd64, each of another owner, and then some of arm64 that ask for more. */
function network(amd64: number, arm64 = 0): Machine {
  const machine = Machine.ready(0);
  for (let n = 0; n < amd64 + arm64; n++) {
    const isArm = n >= amd64;
    machine.connect(n, {
      provider: owner(n),
      offer: offer(isArm ? { arch: 'arm64', ask: dear } : { arch: 'amd64' }),
    });
  }
  return machine;
}

/** The attempt of the task that runs ends because of the image. */
function misfit(machine: Machine, n = 1, index = 0, runsOn: readonly string[] | null = ['arm64']) {
  const command = machine.finish(machine.task(n, index), 'image_wrong_platform');
  return machine.run(runsOn === null ? command : ({ ...command, imageRunsOn: runsOn } as typeof command));
}

it('costs no budget and no name, and goes to a node of the right kind next', () => {
  const machine = network(3, 1);
  machine.submit(1, { providerLost: 0, maxAttempts: 1, maxRateNano: 10n ** 9n });
  const [first] = machine.assignments();
  expect(first?.node).not.toBe(nodeId(3));
  const [ended] = only(misfit(machine), 'attempt.ended');
  expect(ended).toMatchObject({ imageRunsOn: ['arm64'], then: { kind: 'requeued', budget: 'free' } });
  const bad = [...machine.state.nodes.values()].find(({ id }) => id === first?.node);
  expect(bad?.standing).toMatchObject({ endings: 0, failures: [], restUntil: 0 });
  expect(machine.state.losses.size).toBe(0);
  machine.wait(10_000).check();
  expect(machine.assignments()).toMatchObject([{ node: nodeId(3) }]);
});

it('keeps the job from the nodes of one owner by its word, and from all of the kind by the word of two', () => {
  const machine = network(4);
  machine.submit(1, { maxRateNano: 10n ** 9n, tasks: 2 });
  const [first, second] = machine.assignments();
  expect(first?.node).not.toBe(second?.node);
  misfit(machine, 1, 0);
  expect(machine.job(1).terms.misfits).toMatchObject([{ arch: 'amd64', runsOn: ['arm64'] }]);
  machine.wait(10_000).check();
  const [again] = machine.assignments();
  expect(again?.node).not.toBe(first?.node);
  // The same owner says it once more, of the other task: nothing new.
  misfit(machine, 1, 1);
  expect(machine.job(1).terms.misfits?.[0]?.providers).toHaveLength(2);
  machine.wait(10_000).restart().check();
  expect(machine.assignments()).toEqual([]);
  expect(waitingReason(machine.state, machine.notes, machine.job(1).id)).toEqual({
    reason: 'image_wrong_platform',
    message: 'The image runs on arm64 only; 4 nodes are amd64.',
  });
  const explanation = new Explanation(machine.job(1).terms, machine.notes.keepings);
  for (const node of machine.state.nodes.values()) explanation.look(node);
  expect(explanation.counts()).toMatchObject([{ obstacle: 'platform', nodes: 4, alone: 4 }]);
  machine.connect(9, { provider: owner(9), offer: offer({ arch: 'arm64' }) });
  expect(machine.assignments()).toMatchObject([{ node: nodeId(9) }]);
});

it('is forgotten when a task succeeds on such a node', () => {
  const machine = network(3);
  machine.submit(1, { maxRateNano: 10n ** 9n, tasks: 3 });
  expect(machine.assignments()).toHaveLength(3);
  misfit(machine, 1, 0);
  misfit(machine, 1, 1);
  machine.wait(10_000);
  expect(machine.assignments()).toEqual([]);
  const { shape } = machine.job(1);
  machine.run(machine.progress(machine.task(1, 2), 'running'));
  machine.run(machine.finish(machine.task(1, 2), 'completed'));
  expect(machine.job(1).terms.misfits).toBeUndefined();
  expect(machine.job(1).shape).not.toBe(shape);
  machine.check();
  expect(machine.assignments()).toHaveLength(2);
});

it('lets the queue timeout go on, because nothing of the task ran', () => {
  const machine = network(2);
  machine.submit(1, { maxRateNano: 10n ** 9n, queueTimeoutMs: 60_000 });
  for (let n = 0; n < 2; n++) {
    machine.assignments();
    misfit(machine, 1, 0, null);
    machine.wait(9000);
  }
  machine.restart().check();
  expect(machine.assignments()).toEqual([]);
  expect(waitingReason(machine.state, machine.notes, machine.job(1).id)?.message).toBe(
    'The image is not made for amd64, as owners of such nodes say; 2 nodes are amd64.',
  );
  machine.wait(60_000);
  expect(only(machine.tick(0, 1), 'task.ended')).toMatchObject([
    { outcome: 'expired', reason: 'queue_timeout' },
  ]);
  machine.check();
});

it('ends the wait of tasks that were tried, too, once nodes are closed to them, and gives each its time', () => {
  const machine = network(1);
  machine.submit(1, { maxRateNano: 10n ** 9n, queueTimeoutMs: 60_000, providerLost: 9, tasks: 2 });
  expect(machine.assignments()).toHaveLength(2);
  machine.run(machine.finish(machine.task(1, 0), 'agent_failed'));
  expect(machine.check().state.queueClocks.size).toBe(0);
  machine.wait(5000);
  misfit(machine, 1, 1);
  expect(machine.check().state.queueClocks.size).toBe(1);
  const ended = () => only(machine.tick(0), 'task.ended').map(({ task }) => task);
  machine.wait(59_000);
  expect(ended()).toEqual([]);
  machine.restart().check().wait(1000);
  expect(ended()).toEqual([0, 1].map((index) => taskIdOf(jobId(1), index)));
});

it('gives the clock back when a task succeeds after all', () => {
  const machine = network(2);
  machine.submit(1, { maxRateNano: 10n ** 9n, queueTimeoutMs: 60_000, tasks: 2 });
  machine.assignments();
  const two = machine.task(1, 1);
  misfit(machine, 1, 0);
  expect(machine.state.queueClocks.size).toBe(1);
  machine.run(machine.progress(two, 'running'));
  machine.wait(1000).run(machine.finish(two, 'completed'));
  expect(machine.state.queueClocks.size).toBe(0);
  machine.check();
});

it('is known for other jobs of the image, and gone with the last of them', () => {
  const machine = network(2);
  machine.submit(1, { maxRateNano: 10n ** 9n, image: 'a' });
  machine.assignments();
  misfit(machine);
  expect(misfitsOf(machine.state, 'a')).toMatchObject([{ arch: 'amd64', runsOn: ['arm64'] }]);
  expect(misfitsOf(machine.state, 'b')).toBeUndefined();
  expect(misfitsOf(machine.state, undefined)).toBeUndefined();
  machine.cancel(1);
  expect(misfitsOf(machine.state, 'a')).toBeUndefined();
});

it('does not change a snapshot that was begun before', () => {
  const machine = network(2);
  machine.submit(1, { maxRateNano: 10n ** 9n, tasks: 2 });
  machine.assignments();
  const before = encodeState(machine.state);
  const capture = new StateCapture(machine.state);
  misfit(machine);
  let text = '';
  for (const piece of capture.pieces(1)) text += piece;
  expect(text).toBe(before);
});

it('remembers a bounded number of architectures', () => {
  const machine = network(1);
  machine.submit(1, { maxRateNano: 10n ** 9n });
  for (let n = 0; n < 20; n++) {
    machine.connect(0, { provider: owner(0), offer: offer({ arch: `lie${n}` }) });
    expect(machine.wait(10_000).assignments()).toHaveLength(1);
    misfit(machine);
  }
  expect(machine.job(1).terms.misfits).toHaveLength(16);
});
