import { jobIdFrom, type NodeId, taskIdOf } from '@capacloud/protocol/ids';
import type { ReportFrame } from '@capacloud/protocol/wire/frames';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Outcome } from '../ports/sequencer.ts';
import type { FlushQueue } from './flush-queue.ts';
import { defaultGatewayLimits } from './gateway-limits.ts';
import { NodeContact } from './node-contact.ts';
import { Placements } from './placements.ts';
import { Rates } from './rates.ts';
import { RefusalCounts } from './refusal-counts.ts';
import { ReportIntake } from './report-intake.ts';
import type { Session } from './session.ts';

/** A session whose log answers only when told to. */
function stage(reportsInFlight: number) {
  const pending: ((outcome: Outcome) => void)[] = [];
  const calls: string[] = [];
  const connection = {
    isOpen: true,
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
    refuse: ({ code }: { code: string }) => calls.push(code),
  };
  const session = {
    connection,
    node: 'node_x',
    report: 0,
    contact: new NodeContact(0, 5000),
    rates: new Rates(defaultGatewayLimits, () => 0).ofNode('node_x' as NodeId),
  } as unknown as Session;
  const intake = new ReportIntake(session, {
    submitter: { submit: () => new Promise((resolve) => pending.push(resolve)) },
    questions: { consumerOfHeld: () => Promise.resolve(undefined) },
    artifacts: {
      get: () => Promise.resolve(undefined),
      keepCheckpoint: () => Promise.resolve(),
      hasBrought: () => Promise.resolve(false),
    },
    specs: { known: () => undefined, get: () => Promise.resolve(undefined) },
    flushes: { add: () => calls.push('flush') } as unknown as FlushQueue,
    counts: new RefusalCounts(),
    placements: new Placements(),
    verifier: { check: () => Promise.resolve(undefined) },
    logger: pino({ level: 'silent' }),
    nonceSecret: 's',
    reportsInFlight,
    reportItemsInFlight: 1000,
    now: () => 0,
  });
  return { pending, calls, session, intake };
}
const task = taskIdOf(jobIdFrom(new Uint8Array(20)), 0);
function frameOf(...ids: number[]): ReportFrame {
  const items = ids.map(
    (id) => ({ kind: 'progress', id, task, attempt: 1, stage: 'running', atMs: 0 }) as const,
  );
  return { type: 'report', seq: 1, ack: 0, items };
}
const done: Outcome = { ok: true, events: [] };
const settle = () => new Promise(setImmediate);

test('a report is acknowledged only with all those before it', async () => {
  const { pending, session, intake } = stage(10);
  intake.push(frameOf(1, 2));
  intake.push(frameOf(3));
  await settle();
  expect(pending).toHaveLength(3);
  pending[2]?.(done);
  pending[0]?.(done);
  await settle();
  expect(session.report).toBe(0);
  pending[1]?.({ ok: false, refusal: { code: 'attempt.fenced', message: '' } });
  await settle();
  expect(session.report).toBe(3);
});

test('reading pauses at the bound and goes on at half of it', async () => {
  const { pending, calls, intake } = stage(4);
  for (let id = 1; id <= 3; id++) intake.push(frameOf(id));
  await settle();
  expect(calls).toEqual([]);
  intake.push(frameOf(4));
  await settle();
  expect(calls).toEqual(['pause']);
  expect(intake.isPaused).toBe(true);
  pending[0]?.(done);
  await settle();
  expect(intake.isPaused).toBe(true);
  pending[1]?.(done);
  await settle();
  expect(calls.filter((call) => call === 'resume')).toEqual(['resume']);
});

test('what an overloaded log refused is never acknowledged, and the session ends', async () => {
  const { pending, calls, session, intake } = stage(4);
  intake.push(frameOf(1));
  intake.push(frameOf(2));
  await settle();
  pending[0]?.({ ok: false, refusal: { code: 'service.overloaded', message: '' } });
  pending[1]?.(done);
  await settle();
  expect(calls).toEqual(['service.overloaded']);
  expect(session.report).toBe(0);
});

test('ids that do not rise are out of order', () => {
  const { intake } = stage(4);
  expect(intake.push(frameOf(2, 2))?.code).toBe('frame.out_of_order');
});
