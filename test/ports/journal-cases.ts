import assert from 'node:assert/strict';
import { advance, newAttempt, requestStop } from '@capacloud/agent/core/attempt-record';
import { type Journal, outboxLimit, type ReportDraft } from '@capacloud/agent/core/journal-port';
import type { TaskId } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { PortCase } from './port-case.ts';

/** Journals of one agent, on a disk that the case fills. */
export interface JournalRig {
  /** A new life of the agent: what an earlier journal holds in memory is gone. `firstId` numbers the first report of all. */
  open(coordinator: string, firstId?: number): Journal;
  setDiskFull(isFull: boolean): void;
}

const task = `job_${'a'.repeat(20)}.0` as TaskId;
const key = (attempt: number) => ({ task, attempt });
const accepted = (attempt: number, atMs = 0) =>
  newAttempt({ task, attempt, image: 'busybox', env: { A: 'ü' } } as unknown as Assignment, atMs);
const progress = (attempt: number): ReportDraft => ({
  kind: 'progress',
  task,
  attempt,
  stage: 'pulling',
  atMs: 1,
});
const idsOf = (journal: Journal) => journal.outbox(0, 100).map(({ id }) => id);

export const journalCases: readonly PortCase<JournalRig>[] = [
  {
    rule: 'gives back after a restart what it was given, in order, and numbers on',
    check: (rig) => {
      const before = rig.open('one', 50);
      const second = requestStop(accepted(2, 7), 'stopped');
      before.save(accepted(3, 6), [progress(3)]);
      before.save(second, [progress(2)]);
      before.save(advance(second, 'reporting', { outcome: { reason: 'stopped' } }));
      before.saveLease({ bootId: 'b', untilBootMs: 12.7 });
      before.saveCoordinatorName('name');
      const after = rig.open('one', 9999);
      assert.deepEqual(
        after.attempts().map(({ key: { attempt }, phase, stop }) => [attempt, phase, stop]),
        [
          [3, 'pulling', undefined],
          [2, 'reporting', 'stopped'],
        ],
      );
      assert.deepEqual(after.attempt(key(3))?.assignment, accepted(3).assignment);
      assert.deepEqual([idsOf(after), after.outboxSize()], [[51, 52], 2]);
      after.append([progress(9)]);
      assert.deepEqual(idsOf(after), [51, 52, 53]);
      assert.deepEqual(after.lease(), { bootId: 'b', untilBootMs: 12 });
      assert.equal(after.coordinatorName(), 'name');
    },
  },
  {
    rule: 'gives reports after an id, in order, and no more than asked for',
    check: (rig) => {
      const journal = rig.open('one', 0);
      journal.append([1, 2, 3, 4].map(progress));
      const [first = 0, second = 0] = idsOf(journal);
      assert.deepEqual(
        journal.outbox(first, 2).map(({ id }) => id),
        [second, second + 1],
      );
    },
  },
  {
    rule: 'drops acknowledged reports for good, and takes a repeated acknowledgement',
    check: (rig) => {
      const journal = rig.open('one', 0);
      journal.append([1, 2].map(progress));
      const [first = 0] = idsOf(journal);
      journal.acknowledge(first);
      journal.acknowledge(first);
      assert.equal(journal.outboxSize(), 1);
      assert.deepEqual([journal.holds(key(1)), journal.holds(key(2))], [false, true]);
      assert.deepEqual(idsOf(rig.open('one', 0)), [first + 1]);
    },
  },
  {
    rule: 'keeps the reports of an attempt whose record is forgotten',
    check: (rig) => {
      const journal = rig.open('one', 0);
      journal.save(accepted(1), [progress(1)]);
      journal.forget(key(1));
      journal.forget(key(1));
      assert.equal(journal.attempt(key(1)), undefined);
      assert.equal(journal.holds(key(1)), true);
      const after = rig.open('one', 0);
      assert.deepEqual([after.attempts().length, after.outboxSize()], [0, 1]);
    },
  },
  {
    rule: 'keeps coordinators apart',
    check: (rig) => {
      const one = rig.open('one', 0);
      one.save(accepted(1), [progress(1)]);
      const two = rig.open('two', 0);
      assert.deepEqual([two.attempts(), two.outbox(0, 10), two.lease()], [[], [], undefined]);
      two.acknowledge(1000);
      two.forget(key(1));
      const again = rig.open('one', 0);
      assert.deepEqual([again.attempts().length, again.outboxSize()], [1, 1]);
    },
  },
  {
    rule: 'takes nothing into a full outbox, and writes no record of it either',
    check: (rig) => {
      const journal = rig.open('one', 0);
      journal.append(Array.from({ length: outboxLimit }, () => progress(1)));
      assert.throws(() => journal.save(accepted(1), [progress(1)]), /outbox is full/);
      assert.throws(() => journal.append([progress(1)]), /outbox is full/);
      assert.deepEqual([journal.attempts(), journal.outboxSize()], [[], outboxLimit]);
    },
  },
  {
    rule: 'on a full disk refuses what has to be durable, changes nothing, and keeps the rest until there is room',
    check: (rig) => {
      const journal = rig.open('one', 0);
      journal.save(accepted(1, 1), [progress(1), progress(1)]);
      const [first = 0] = idsOf(journal);
      rig.setDiskFull(true);
      const stopped = requestStop(accepted(1, 1), 'lease_lapsed');
      journal.note(stopped);
      journal.acknowledge(first);
      journal.saveLease({ bootId: 'b', untilBootMs: 5 });
      journal.saveCoordinatorName('name');
      journal.recover();
      assert.notEqual(journal.fault, undefined);
      assert.equal(journal.attempt(key(1))?.stop, 'lease_lapsed');
      assert.deepEqual(
        [journal.coordinatorName(), journal.lease()],
        ['name', { bootId: 'b', untilBootMs: 5 }],
      );
      // What the coordinator has is not sent to it again.
      assert.deepEqual(idsOf(journal), [first + 1]);
      assert.throws(() => journal.save(accepted(2, 2), [progress(2)]));
      assert.throws(() => journal.append([progress(2)]));
      assert.throws(() => journal.forget(key(1)));
      assert.deepEqual([journal.attempts().length, idsOf(journal)], [1, [first + 1]]);
      rig.setDiskFull(false);
      journal.recover();
      assert.deepEqual([journal.fault, journal.outboxSize()], [undefined, 1]);
      journal.save(accepted(2, 2), [progress(2)]);
      const after = rig.open('one', 9999);
      assert.deepEqual(
        after.attempts().map((record) => [record.key.attempt, record.stop]),
        [
          [1, 'lease_lapsed'],
          [2, undefined],
        ],
      );
      assert.deepEqual(idsOf(after), [first + 1, first + 2]);
      assert.deepEqual([after.coordinatorName(), after.lease()], ['name', { bootId: 'b', untilBootMs: 5 }]);
    },
  },
];
