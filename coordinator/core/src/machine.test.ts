import type { AccountId, JobId } from '@capacloud/protocol/ids';
import { describe, expect, it } from 'vitest';
import type { Event } from './contract/event.ts';
import { defaultRuleset } from './contract/ruleset.ts';
import { apply, decide } from './machine.ts';
import { ScheduleNotes } from './scheduler/schedule-notes.ts';
import { transfersOf } from './slices/account/transfers.ts';
import { decodeState, decodeStateLines, encodeState, stateHash } from './snapshot.ts';
import { createState } from './state.ts';
import { StateCapture } from './state-capture.ts';
import { consumer, hash, jobId, Machine, nodeId, offer, terms } from './testing/harness.ts';

const at = 1_700_000_000_000;

describe('a log', () => {
  it('is opened first, and once', () => {
    const state = createState();
    const early = decide(state, { type: 'account.open', at, account: consumer }, new ScheduleNotes());
    expect(early).toMatchObject({ ok: false, refusal: { code: 'request.conflict' } });
    const machine = new Machine();
    expect(machine.refusal({ type: 'log.open', at, origin: 'again', ruleset: defaultRuleset })).toBe(
      'request.conflict',
    );
  });

  it('that is damaged is not taken for one that is not', () => {
    const job = jobId(1);
    const task = `${job}.0` as never;
    const node = nodeId(0);
    const then = { chargeNano: '5', feeNano: '1', kind: 'succeeded', meteredMs: 1, payNano: '5' } as const;
    const damaged: Event[] = [
      { type: 'log.opened', at, origin: 'x', ruleset: defaultRuleset },
      { type: 'account.opened', at, account: consumer },
      { type: 'account.credited', at, account: consumer, amountNano: '1', ref: 'first' },
      { type: 'account.credited', at, account: 'acc_nobody' as AccountId, amountNano: '1', ref: 'a' },
      { type: 'node.joined', at, node, provider: consumer },
      { type: 'node.status_changed', at, node, to: 'lost', cause: 'lease_lapsed' },
      { type: 'node.status_changed', at, node: nodeId(9), to: 'ready', cause: 'connected' },
      { type: 'attempt.assigned', at, task, attempt: 2, node, devices: [], rateNano: '1' },
      { type: 'attempt.progressed', at, task, attempt: 1, stage: 'running' },
      { type: 'attempt.ended', at, task, attempt: 1, reason: 'completed', released: true, then },
      { type: 'attempt.released', at, task, attempt: 1, node },
      { type: 'task.ended', at, task: `${job}.7` as never, outcome: 'cancelled', reason: 'cancelled' },
      { type: 'job.settled', at, job, succeeded: 1, failed: 0, cancelled: 0, expired: 0 },
      { type: 'job.cancelled', at, job: jobId(2) },
      { type: 'job.unheard_of', at } as never,
      { type: 'constructor', at } as never,
    ];
    for (const event of damaged) {
      const machine = Machine.ready();
      machine.submit(1);
      expect(() => apply(machine.state, event), event.type).toThrow();
    }
  });

  // HOLD-1
  it('that pays a task twice is refused', () => {
    const machine = Machine.ready();
    machine.submit(1, { tasks: 2 });
    machine.place();
    machine.wait(1000).run(machine.finish(machine.task(1), 'completed'));
    const paid = machine.log.at(-1);
    if (paid === undefined) throw new Error('nothing was paid');
    expect(() => apply(machine.state, paid)).toThrow('not current');
    // Even if the state of the task were wrong, its hold is spent.
    machine.task(1).state = 'running';
    expect(() => apply(machine.state, paid)).toThrow();
  });
});

describe('money', () => {
  // PAY-1
  it('is granted once by its ref, within bounds, out of the emission', () => {
    const machine = Machine.ready(0);
    const credit = (amountNano: bigint, ref: string) =>
      ({ type: 'account.credit', at, account: consumer, amountNano, ref }) as const;
    machine.run(credit(5n, 'gift'));
    expect(machine.run(credit(5n, 'gift'))).toEqual([]);
    expect(machine.refusal(credit(6n, 'gift'))).toBe('idempotency.mismatch');
    expect(machine.restart().refusal(credit(6n, 'gift'))).toBe('idempotency.mismatch');
    expect(machine.refusal(credit(0n, 'a'))).toBe('ledger.amount_invalid');
    expect(machine.refusal(credit(10n ** 18n + 1n, 'a'))).toBe('ledger.amount_invalid');
    for (let i = 0; i < 9; i++) machine.run(credit(10n ** 18n, `big${i}`));
    expect(machine.refusal(credit(10n ** 18n, 'over 64 bits'))).toBe('ledger.amount_invalid');
    expect(machine.check().state.house.emission).toBe(-machine.available());
    expect(machine.refusal({ ...credit(1n, 'b'), account: 'acc_x' as AccountId })).toBe(
      'ledger.account_unknown',
    );
    expect(machine.refusal({ type: 'account.open', at, account: consumer })).toBe('ledger.account_exists');
  });

  it('moves as transfersOf tells beforehand', () => {
    const machine = Machine.ready();
    const kinds: string[] = [];
    const follow = (event: Event) => {
      for (const { entries, job, kind, task } of transfersOf(machine.state, event)) {
        kinds.push(
          `${kind} ${job === undefined ? '-' : 'job'} ${task === undefined ? '-' : 'task'} ${entries.length}`,
        );
      }
      machine.accept(event);
    };
    const decideAll = (command: Parameters<Machine['run']>[0]) => {
      const result = decide(machine.state, command, machine.notes);
      if (result.ok) result.value.forEach(follow);
    };
    decideAll({ type: 'account.credit', at, account: consumer, amountNano: 1n, ref: 'x' });
    decideAll({ type: 'job.submit', at, job: jobId(1), consumer, terms: terms({ tasks: 8 }) });
    machine.place();
    decideAll(machine.wait(1000).finish(machine.task(1, 0), 'completed'));
    decideAll(machine.finish(machine.task(1, 1), 'image_not_found'));
    decideAll(machine.finish(machine.task(1, 2), 'engine_lost'));
    decideAll({ type: 'job.cancel', at, job: jobId(1), consumer });
    expect(kinds).toEqual([
      'grant - - 2',
      'hold job - 2',
      'capture job task 4',
      'void job task 2',
      'void job - 2',
    ]);
  });
});

describe('a submission', () => {
  const ruleset = { ...defaultRuleset, maxTasksPerJob: 10, maxLiveTasksPerAccount: 15 };
  it.each([
    ['without tasks', { tasks: 0 }, 'job.invalid'],
    ['with too many tasks', { tasks: 11 }, 'job.too_many_tasks'],
    ['over the limit of live tasks', { tasks: 6 }, 'job.too_many_tasks'],
    ['with a negative hold', { holdNano: -1n }, 'ledger.amount_invalid'],
    ['that the account cannot pay', { holdNano: 10n ** 15n }, 'ledger.insufficient_funds'],
  ])('%s is refused', (_name, change, code) => {
    const machine = Machine.ready(0, {}, ruleset);
    machine.submit(1, { tasks: 10 });
    const submit = (job: JobId) => ({ type: 'job.submit', at, job, consumer, terms: terms(change) }) as const;
    const before = stateHash(machine.state);
    expect(machine.refusal(submit(jobId(2)))).toBe(code);
    expect(machine.refusal(submit(jobId(1)))).toBe('request.conflict');
    expect(machine.refusal({ ...submit(jobId(2)), consumer: 'acc_x' as AccountId })).toBe(
      'ledger.account_unknown',
    );
    expect(stateHash(machine.state)).toBe(before);
  });

  it('may use its last nano', () => {
    const machine = Machine.ready(0);
    machine.submit(1, { tasks: 2, holdNano: 5n * 10n ** 14n });
    expect(machine.available()).toBe(0n);
    machine.cancel(1);
    expect(machine.check().available()).toBe(10n ** 15n);
  });
});

it('writes a snapshot that says what it must, and reads no other', () => {
  const machine = Machine.ready();
  machine.submit(1, { tasks: 3 });
  machine.place();
  machine.run(machine.finish(machine.task(1), 'engine_lost'));
  const text = encodeState(machine.state);
  const copy = decodeState(text);
  expect(encodeState(copy)).toBe(text);
  expect(copy.tasks.get(machine.task(1).id)).toMatchObject({
    state: 'queued',
    attempt: 1,
    node: undefined,
    providerLosses: 1,
  });
  expect(JSON.parse(text)).toMatchObject({
    version: 1,
    origin: 'test',
    nodes: [{ status: 'ready', offer: offer() }],
  });
  expect(stateHash(copy)).toBe(stateHash(machine.state));
  expect(() => decodeState('{"version":2}')).toThrow('version');
  const lines = [...new StateCapture(machine.state).pieces(1, true)].join('').split('\n');
  expect(encodeState(decodeStateLines(lines))).toBe(text);
  for (const spoiled of [lines.slice(0, -1), lines.slice(1), [...lines, ...lines], []])
    expect(() => decodeStateLines(spoiled)).toThrow();
  expect(hash).toHaveLength(64);
});
