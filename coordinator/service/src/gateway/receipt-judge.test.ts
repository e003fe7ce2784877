import type { AccountId, NodeId, Sha256Hex } from '@capacloud/protocol/ids';
import { jobIdFrom, taskIdOf } from '@capacloud/protocol/ids';
import { type AttemptRef, checkpointOverheadBytes } from '@capacloud/protocol/wire/frames';
import { emptyFoldersProtocol, keptOutputsProtocol } from '@capacloud/protocol/wire/protocol-versions';
import type { OutputFile, Receipt } from '@capacloud/protocol/wire/receipt';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { RunSpec } from '../job-specs.ts';
import type { TaskCheckpoint } from '../ports/artifact-index.ts';
import { attemptNonce } from './assignment-writer.ts';
import { Placements } from './placements.ts';
import { ReceiptJudge } from './receipt-judge.ts';
import { RefusalCounts } from './refusal-counts.ts';

const job = jobIdFrom(new Uint8Array(20));
const task = taskIdOf(job, 0);
const node = 'node_x' as NodeId;
const consumer = 'acc_consumer' as AccountId;
const sha256 = 'a'.repeat(64) as Sha256Hex;
const foreign = 'b'.repeat(64) as Sha256Hex;
const size = 1000;
const left: OutputFile = { path: '/state', sha256, sizeBytes: size };

async function judged(
  change: Partial<Receipt>,
  maxBytes = size,
  {
    protocol = keptOutputsProtocol,
    outputs = [],
    heldAttempt = 2,
  }: { protocol?: number; outputs?: RunSpec['outputs']; heldAttempt?: number } = {},
): Promise<{ readonly reason: string; readonly kept: readonly TaskCheckpoint[]; readonly invalid: number }> {
  const kept: TaskCheckpoint[] = [];
  const counts = new RefusalCounts();
  const judge = new ReceiptJudge({ node, protocol }, {
    artifacts: {
      get: (hash: Sha256Hex) =>
        Promise.resolve({ sha256: hash, sizeBytes: size, complete: true, createdAt: 0 }),
      // What was uploaded for another attempt, or by an account, is not this one's.
      hasBrought: (ref: AttemptRef, hash: Sha256Hex) =>
        Promise.resolve(hash === sha256 && ref.task === task && ref.attempt === 2),
      keepCheckpoint(checkpoint: TaskCheckpoint, account: AccountId) {
        expect(account).toBe(consumer);
        kept.push(checkpoint);
        return Promise.resolve();
      },
    },
    specs: {
      known: () => undefined,
      get: () => Promise.resolve({ checkpoint: { path: '/state', maxBytes }, outputs } as unknown as RunSpec),
    },
    questions: {
      consumerOfHeld: ({ attempt }: AttemptRef) =>
        Promise.resolve(attempt === heldAttempt ? consumer : undefined),
    },
    placements: new Placements(),
    counts,
    logger: pino({ level: 'silent' }),
    nonceSecret: 's',
  } as unknown as ConstructorParameters<typeof ReceiptJudge>[1]);
  const receipt = {
    version: 1,
    node,
    task,
    attempt: 2,
    nonce: attemptNonce('s', task, 2),
    reason: 'stopped',
    oomKilled: false,
    outputs: [left],
    log: { sizeBytes: 0, truncated: false },
    ...change,
  } as Receipt;
  const reason = await judge.judge(receipt);
  return { reason, kept, invalid: counts.byCode.get('receipt.invalid') ?? 0 };
}

it('keeps what an attempt that was stopped left in its checkpoint folder', async () => {
  expect(await judged({})).toEqual({ reason: 'stopped', kept: [{ task, attempt: 2, sha256 }], invalid: 0 });
  expect(await judged({ outputs: [] })).toEqual({ reason: 'stopped', kept: [], invalid: 0 });
});

it.each<[string, Partial<Receipt>, number?]>([
  ['another path', { outputs: [{ ...left, path: '/out' }] }],
  ['more than one file', { outputs: [left, left] }],
  ['the file of somebody else', { outputs: [{ ...left, sha256: foreign }] }],
  ['another size than it has', { outputs: [{ ...left, sizeBytes: 1 }] }],
  ['more than the job allows', {}, size - 1 - checkpointOverheadBytes],
])('keeps nothing where a receipt names %s, and takes its end', async (_, change, maxBytes) => {
  expect(await judged(change, maxBytes)).toEqual({ reason: 'stopped', kept: [], invalid: 1 });
});

it('keeps nothing of who does not have the attempt, of a job that has ended, or of another end', async () => {
  expect(await judged({ nonce: '0'.repeat(32) })).toMatchObject({ reason: 'agent_failed', kept: [] });
  expect(await judged({ reason: 'lease_lapsed' })).toMatchObject({ reason: 'lease_lapsed', kept: [] });
  const other = taskIdOf(jobIdFrom(new Uint8Array(20).fill(1)), 0);
  expect(await judged({ task: other, nonce: attemptNonce('s', other, 2) })).toMatchObject({ kept: [] });
});

it('keeps nothing of a node that has lost the attempt', async () => {
  expect(await judged({}, size, { heldAttempt: 3 })).toEqual({ reason: 'stopped', kept: [], invalid: 0 });
});

const result = { path: '/out/result.json', maxBytes: size };
const brought: OutputFile = { path: '/out/result.json', sha256, sizeBytes: size };

it.each<[string, Partial<Receipt>, string, number]>([
  ['all that was declared', { outputs: [brought] }, 'completed', 0],
  ['nothing of it', { outputs: [] }, 'agent_failed', 1],
  [
    'more than was declared',
    { outputs: [brought, { ...brought, path: '/etc/cron.d/x' }] },
    'agent_failed',
    1,
  ],
  ['a file that is too large', { outputs: [{ ...brought, sizeBytes: size + 1 }] }, 'agent_failed', 1],
  ['the file of somebody else', { outputs: [{ ...brought, sha256: foreign }] }, 'upload_failed', 1],
])('judges a success that names %s', async (_, change, reason, invalid) => {
  const receipt = { reason: 'completed', exitCode: 0, ...change } as const;
  const protocol = emptyFoldersProtocol;
  expect(await judged(receipt, size, { protocol, outputs: [result] })).toEqual({ reason, invalid, kept: [] });
});

it('takes a success of a job that declares nothing only without outputs', async () => {
  const receipt = { reason: 'completed', exitCode: 0 } as const;
  expect(await judged({ ...receipt, outputs: [] })).toMatchObject({ reason: 'completed' });
  expect(await judged({ ...receipt, outputs: [brought] })).toMatchObject({ reason: 'agent_failed' });
});

it('tries a task again where an older agent missed an output that is optional', async () => {
  const optional = { path: '/crash/core.dump', maxBytes: 1, optional: true as const };
  const missing: Partial<Receipt> = { reason: 'output_missing', outputs: [] };
  const reasonOf = async (protocol: number, outputs: RunSpec['outputs']) =>
    (await judged(missing, size, { protocol, outputs })).reason;
  expect(await reasonOf(keptOutputsProtocol - 1, [optional])).toBe('refused');
  expect(await reasonOf(keptOutputsProtocol - 1, [{ path: '/out/x.y', maxBytes: 1 }])).toBe('output_missing');
  expect(await reasonOf(keptOutputsProtocol, [optional])).toBe('output_missing');
});
