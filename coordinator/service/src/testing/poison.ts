import type { Device } from '@capacloud/protocol/capacity/resources';
import type { AccountId, NodeId } from '@capacloud/protocol/ids';
import type { JobView } from '@capacloud/protocol/routes/views';
import { type TestCoordinator, testOffer } from './test-coordinator.ts';

/** Three providers, each with a GPU that a task of the job ruins. */
const digits = ['1', '2', '3'];
export const poisonJob = { version: '1', image: 'poison', replicas: 3, resources: { gpu: 1 } };

/** The id of the job whose image is stopped. */
export async function poisonImage(coordinator: TestCoordinator): Promise<JobView['id']> {
  const device = (health: Device['health'], id: string): Device => {
    return { id, health, vendor: 'nvidia', model: 'rtx-4090', memoryBytes: 2 ** 34 };
  };
  const offerOf = (digit: string, health: Device['health']) => {
    return { ...testOffer, devices: [device(health, `GPU-${digit}`)] };
  };
  const nodeOf = (digit: string) => `node_${digit.repeat(40)}` as NodeId;
  const change = { accepting: true } as const;
  for (const digit of digits) {
    const provider = `0x${digit.repeat(40)}` as AccountId;
    const offer = offerOf(digit, 'healthy');
    const node = nodeOf(digit);
    await coordinator.do({
      ...change,
      type: 'node.connect',
      at: Date.now(),
      node,
      provider,
      offer,
      held: [],
    });
  }
  const headers = { 'idempotency-key': 'poison' };
  const answer = await coordinator.call('POST', '/v1/jobs', { json: poisonJob, headers });
  const { id } = (await answer.json()) as JobView;
  await coordinator.do({ type: 'place', at: Date.now() });
  for (const task of coordinator.sequencer.state.jobs.get(id)?.tasks ?? []) {
    const { attempt, node } = task;
    if (node === undefined) throw new Error('a task of the poisonous job is nowhere');
    const at = Date.now();
    await coordinator.do({ type: 'attempt.progress', at, attempt, node, stage: 'running', task: task.id });
  }
  for (const digit of digits) {
    const offer = offerOf(digit, 'quarantined');
    await coordinator.do({
      ...change,
      type: 'node.change_offer',
      at: Date.now(),
      node: nodeOf(digit),
      offer,
    });
  }
  return id;
}
