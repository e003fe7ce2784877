import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { TaskId } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { describe, expect, test } from 'vitest';
import { type AttemptPhase, type AttemptRecord, newAttempt } from './attempt-record.ts';
import { attemptKeyText, type ContainerState, type ObservedAttempt } from './ports.ts';
import { type AttemptView, reconcile } from './reconcile.ts';
import { workKinds } from './step.ts';

const offer = {
  cpuMilli: 1000,
  memoryBytes: 1000,
  diskBytes: 1000,
  slots: 2,
  devices: [{ id: 'GPU-1' }],
} as unknown as Offer;
const unknown = { attempts: undefined, leaseLapsed: false };

function record(
  phase: AttemptPhase,
  change: Partial<AttemptRecord> = {},
  attempt = 1,
  cpuMilli = 600,
  devices: string[] = [],
): AttemptRecord {
  const task = `job_${'a'.repeat(20)}.0` as TaskId;
  const resources = { cpuMilli, memoryBytes: 1, diskBytes: 0, shmBytes: 0 };
  return {
    ...newAttempt({ task, attempt, resources, devices } as unknown as Assignment, 0),
    phase,
    ...change,
  };
}
function view(of: AttemptRecord, change: Partial<AttemptView> = {}): AttemptView {
  return { record: of, stopping: false, unacked: false, ...change };
}
function seen(of: AttemptRecord, container: ContainerState): ObservedAttempt {
  return { key: of.key, container, oomKilled: false, scratch: true };
}
function kinds(...args: Parameters<typeof reconcile>): readonly string[] {
  return reconcile(...args).map((step) => step.kind);
}

describe('an attempt on its way', () => {
  test.each<[AttemptPhase, string]>([
    ['pulling', 'pull'],
    ['fetching', 'fetch-inputs'],
    ['preparing', 'prepare'],
    ['starting', 'start'],
    ['running', 'adopt'],
    ['collecting', 'collect'],
    ['uploading', 'upload'],
    ['reporting', 'report'],
    ['cleaning', 'clean'],
  ])('in %s needs %s, once', (phase, kind) => {
    expect(kinds(unknown, undefined, [view(record(phase))], offer)).toEqual([kind]);
    expect(kinds(unknown, [], [view(record(phase))], offer)).toEqual([kind]);
    for (const active of workKinds)
      expect(kinds(unknown, undefined, [view(record(phase), { active })], offer)).toEqual([]);
  });

  test.each<ContainerState>(['running', 'exited'])(
    'is adopted where its container is %s though the start was never noted',
    (state) => {
      const starting = record('starting');
      expect(kinds(unknown, [seen(starting, state)], [view(starting)], offer)).toEqual(['adopt']);
    },
  );

  test('is forgotten only when its report and its log have arrived', () => {
    const log = { sizeBytes: 0, truncated: false, ackedBytes: 0, done: true };
    const settled = record('settled', { log });
    expect(kinds(unknown, undefined, [view(record('settled'))], offer)).toEqual([]);
    expect(kinds(unknown, undefined, [view(settled, { unacked: true })], offer)).toEqual([]);
    expect(kinds(unknown, undefined, [view(settled)], offer)).toEqual(['forget']);
    expect(kinds(unknown, [seen(settled, 'exited')], [view(settled)], offer)).toEqual(['remove']);
  });
});

describe('an attempt that has to end', () => {
  const stop = 'stopped' as const;
  test('is abandoned where nothing goes on', () => {
    for (const phase of [
      'pulling',
      'fetching',
      'preparing',
      'starting',
      'collecting',
      'uploading',
    ] as const) {
      expect(kinds(unknown, undefined, [view(record(phase, { stop }))], offer)).toEqual(['abandon']);
    }
  });
  test('is interrupted where something does', () => {
    for (const active of ['pull', 'fetch-inputs', 'prepare', 'start', 'collect', 'upload'] as const) {
      expect(kinds(unknown, undefined, [view(record('pulling', { stop }), { active })], offer)).toEqual([
        'interrupt',
      ]);
    }
  });
  test('is stopped where its container runs, and watched until it ended', () => {
    expect(kinds(unknown, undefined, [view(record('running', { stop }))], offer)).toEqual(['adopt', 'stop']);
    expect(
      kinds(unknown, undefined, [view(record('running', { stop }), { active: 'adopt' })], offer),
    ).toEqual(['stop']);
    expect(
      kinds(
        unknown,
        undefined,
        [view(record('running', { stop }), { active: 'adopt', stopping: true })],
        offer,
      ),
    ).toEqual([]);
  });
  test('is dropped when the coordinator does not want it, but not before it said so', () => {
    const running = record('running');
    const step = { kind: 'cancel', key: running.key, cause: 'dropped' };
    expect(
      reconcile({ attempts: new Set(), leaseLapsed: false }, undefined, [view(running)], offer),
    ).toContainEqual(step);
    const wanted = new Set([attemptKeyText(running.key)]);
    expect(
      kinds({ attempts: wanted, leaseLapsed: false }, undefined, [view(running, { active: 'adopt' })], offer),
    ).toEqual([]);
  });
  test('is cancelled with the lease, also while the coordinator cannot be reached', () => {
    const running = record('running');
    const steps = reconcile(
      { attempts: undefined, leaseLapsed: true },
      undefined,
      [view(running, { active: 'adopt' })],
      offer,
    );
    expect(steps).toEqual([
      { kind: 'cancel', key: running.key, cause: 'lease_lapsed' },
      { kind: 'stop', key: running.key },
    ]);
  });
  test('keeps what it brings when the lease lapses, until the coordinator says that it does not want it', () => {
    const bringing = record('uploading');
    const lapsed = { attempts: undefined, leaseLapsed: true };
    expect(kinds(lapsed, undefined, [view(bringing)], offer)).toEqual(['upload']);
    const unwanted = { attempts: new Set<string>(), leaseLapsed: false };
    expect(reconcile(unwanted, undefined, [view(bringing)], offer)).toContainEqual({
      kind: 'cancel',
      key: bringing.key,
      cause: 'dropped',
    });
  });
  test('is not abandoned while its checkpoint is saved, nor interrupted', () => {
    const saving = { leftMs: 1 };
    const gone = { attempts: new Set<string>(), leaseLapsed: true };
    for (const [phase, kind] of [
      ['collecting', 'collect'],
      ['uploading', 'upload'],
      ['reporting', 'report'],
      ['cleaning', 'clean'],
    ] as const) {
      const stopped = record(phase, { stop, saving });
      expect(kinds(gone, [seen(stopped, 'exited')], [view(stopped)], offer)).toEqual([kind]);
      // The step before it may not have returned yet.
      for (const active of ['adopt', kind] as const)
        expect(kinds(gone, undefined, [view(stopped, { active })], offer)).toEqual([]);
    }
  });
  test('holds its room until its checkpoint is on the disk of the agent', () => {
    const waiting = view(record('preparing', {}, 2));
    const saving = { leftMs: 1 };
    const reading = view(record('collecting', { stop, saving }, 1), { active: 'collect' });
    expect(kinds(unknown, undefined, [reading, waiting], offer)).toEqual([]);
    const sending = view(record('uploading', { stop, saving }, 1), { active: 'upload' });
    expect(kinds(unknown, undefined, [sending, waiting], offer)).toEqual(['prepare']);
  });
  test('is left alone when its report is on the way', () => {
    for (const phase of ['reporting', 'cleaning', 'settled'] as const) {
      const steps = kinds(
        { attempts: new Set(), leaseLapsed: true },
        undefined,
        [view(record(phase), { unacked: true })],
        offer,
      );
      expect(steps).not.toContain('cancel');
    }
  });
});

describe('the machine', () => {
  test('a container that nobody remembers is removed', () => {
    const ghost = seen(record('running', {}, 7), 'running');
    expect(reconcile(unknown, [ghost], [], offer)).toEqual([{ kind: 'remove', key: ghost.key }]);
  });
  test('what the offer has become too small for does not wait, and takes no room', () => {
    const [large, small] = [record('preparing', {}, 1, 2000), record('preparing', {}, 2, 900)];
    expect(kinds(unknown, undefined, [view(large), view(small)], offer)).toEqual(['prepare', 'prepare']);
  });

  test('what does not fit waits for room, in order', () => {
    const waiting = [record('preparing', {}, 1), record('preparing', {}, 2)];
    expect(
      reconcile(
        unknown,
        undefined,
        waiting.map((entry) => view(entry)),
        offer,
      ).map((step) => step.key.attempt),
    ).toEqual([1]);
    const running = view(record('running', {}, 3), { active: 'adopt' });
    expect(kinds(unknown, undefined, [running, view(waiting[0] as AttemptRecord)], offer)).toEqual([]);
    const ended = view(record('uploading', {}, 3), { active: 'upload' });
    expect(kinds(unknown, undefined, [ended, view(waiting[0] as AttemptRecord)], offer)).toEqual(['prepare']);
  });
  test('slots and devices are handed out once', () => {
    const small = [1, 2, 3].map((attempt) => view(record('preparing', {}, attempt, 1)));
    expect(kinds(unknown, undefined, small, offer)).toEqual(['prepare', 'prepare']);
    const gpu = [1, 2].map((attempt) => view(record('preparing', {}, attempt, 1, ['GPU-1'])));
    expect(kinds(unknown, undefined, gpu, offer)).toEqual(['prepare']);
  });
});
