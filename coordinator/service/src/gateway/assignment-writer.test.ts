import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import type { JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import { jobIdFrom, taskIdOf } from '@capacloud/protocol/ids';
import { keptOutputsProtocol } from '@capacloud/protocol/wire/protocol-versions';
import { expect, test } from 'vitest';
import { JobSpecs } from '../job-specs.ts';
import { AssignmentWriter, attemptNonce } from './assignment-writer.ts';
import type { Placement } from './placements.ts';

const sha256 = 'a'.repeat(64) as Sha256Hex;
function jobOf(number: number): JobId {
  return jobIdFrom(Uint8Array.from({ length: 20 }, (_, i) => (number >> (5 * i)) & 31));
}
function placementOf(job: JobId, index = 0, devices: readonly string[] = []): Placement {
  return {
    task: taskIdOf(job, index),
    job,
    attempt: 1,
    node: 'node_x' as NodeId,
    devices,
    sentAtMs: 0,
    alternative: 0,
    isKnown: false,
    pull: undefined,
    nonce: '',
  };
}
function writerOf(spec: object, reads: JobId[] = [], maxFileBytes?: number): AssignmentWriter {
  const store = {
    getJobSpec: (job: JobId) => {
      reads.push(job);
      return Promise.resolve({ spec: JSON.stringify(spec), salt: '' });
    },
  };
  const row = { sha256, sizeBytes: 7, complete: true, createdAt: 0 };
  const artifacts = {
    get: (hash: Sha256Hex) => Promise.resolve(hash === sha256 ? row : undefined),
    checkpointOf: (task: TaskId) =>
      Promise.resolve(task.endsWith('.2') ? { task, attempt: 1, sha256, sizeBytes: 9 } : undefined),
  };
  return new AssignmentWriter(new JobSpecs(store), artifacts, () => defaultRuleset, {
    secret: 'secret',
    ...(maxFileBytes === undefined ? {} : { maxFileBytes }),
  });
}
const spec = {
  image: 'busybox',
  env: { A: '"1"' },
  resources: { cpuMilli: 1, memoryBytes: 1, diskBytes: 0, shmBytes: 0 },
  inputs: [{ sha256, target: '/in/x' }],
  outputs: [{ path: '/out', maxBytes: 5 }],
  timeoutMs: 1000,
  stopGraceMs: 100,
  replicas: 3,
};

test('what tasks share is read once a job; the rest is their own', async () => {
  const reads: JobId[] = [];
  const writer = writerOf(spec, reads);
  const job = jobOf(1);
  const placement = placementOf(job, 2, ['GPU-1']);
  expect(writer.write(placement, 3)).toBeUndefined();
  await Promise.all([writer.load(job), writer.load(job)]);
  expect(reads).toEqual([job]);
  const assignment: unknown = JSON.parse(writer.write(placement, 3) ?? '');
  expect(assignment).toMatchObject({
    task: `${job}.2`,
    attempt: 1,
    taskIndex: 2,
    taskCount: 3,
    nonce: attemptNonce('secret', placement.task, 1),
    devices: ['GPU-1'],
    env: { A: '"1"' },
    inputs: [{ sha256, sizeBytes: 7, target: '/in/x' }],
    runTimeoutMs: 1000,
  });
  expect(placement.nonce).toBe(attemptNonce('secret', placement.task, 1));
});

test('an attempt is sent the resources of the alternative that it runs by', async () => {
  const requests = [{ count: 1, models: ['a100'] }, { count: 4 }, { count: 1, shareMilli: 500 }] as const;
  const [devices, ...alternatives] = requests;
  const writer = writerOf({ ...spec, resources: { ...spec.resources, devices, alternatives } });
  const job = jobOf(1);
  await writer.load(job);
  for (const [alternative, request] of requests.entries()) {
    const text = writer.write({ ...placementOf(job), alternative }, 3) ?? '';
    const { resources } = JSON.parse(text) as { readonly resources: unknown };
    expect(resources).toEqual({ ...spec.resources, devices: request });
  }
});

test('a nonce is of one task, one attempt and one secret', () => {
  const task = taskIdOf(jobOf(1), 1);
  const nonces = [
    attemptNonce('s', task, 1),
    attemptNonce('s', task, 11),
    attemptNonce('s', taskIdOf(jobOf(1), 11), 1),
    attemptNonce('t', task, 1),
  ];
  expect(new Set(nonces).size).toBe(4);
});

test('templates are bounded in number and in size; the latest stays', async () => {
  const writer = writerOf(spec);
  for (let i = 0; i <= 4096; i++) await writer.load(jobOf(i));
  expect(writer.write(placementOf(jobOf(0)), 3)).toBeUndefined();
  expect(writer.write(placementOf(jobOf(1)), 3)).toBeDefined();
  const large = writerOf({ ...spec, env: { BIG: 'x'.repeat(9 * 2 ** 20) } });
  for (let i = 0; i < 5; i++) await large.load(jobOf(i));
  expect([0, 1, 2, 3, 4].map((i) => large.write(placementOf(jobOf(i)), 3) !== undefined)).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
});

test('a task goes on with what an earlier attempt saved, where the agent knows of it', async () => {
  const job = jobOf(1);
  const writer = writerOf({ ...spec, inputs: [], checkpoint: { path: '/state', maxBytes: 5 } });
  await writer.load(job);
  const checkpointIn = (placement: Placement, protocol: number): unknown =>
    (JSON.parse(writer.write(placement, protocol) ?? '') as { checkpoint?: unknown }).checkpoint;
  const folder = { path: '/state', maxBytes: 5, timeoutMs: defaultRuleset.checkpointTimeoutMs };
  expect(checkpointIn(placementOf(job, 2), 3)).toEqual(folder);
  const second = { ...placementOf(job, 2), attempt: 2 };
  expect(writer.write(second, 3)).toBeUndefined();
  await writer.loadCheckpoint(second);
  expect(checkpointIn(second, 3)).toEqual({ ...folder, saved: { sha256, sizeBytes: 9 } });
  expect(checkpointIn(second, 2)).toBeUndefined();
  const other = { ...placementOf(job, 1), attempt: 2 };
  await writer.loadCheckpoint(other);
  expect(checkpointIn(other, 3)).toEqual(folder);
});

test('an agent of an older protocol is told neither of optional outputs nor of the largest file', async () => {
  const outputs = [{ path: '/out/core.dump', maxBytes: 5, optional: true }];
  const writer = writerOf({ ...spec, outputs }, [], 7);
  const placement = placementOf(jobOf(1));
  await writer.load(placement.job);
  const older = JSON.parse(writer.write(placement, keptOutputsProtocol - 1) ?? '') as object;
  expect(older).toMatchObject({ outputs: [{ path: '/out/core.dump', maxBytes: 5 }] });
  expect(older).not.toHaveProperty('maxFileBytes');
  expect(older).not.toHaveProperty('outputs.0.optional');
  expect(JSON.parse(writer.write(placement, keptOutputsProtocol) ?? '')).toMatchObject({
    outputs,
    maxFileBytes: 7,
  });
});
