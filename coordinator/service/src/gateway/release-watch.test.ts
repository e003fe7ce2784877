import type { NodeRecord } from '@capacloud/core/state';
import type { JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import { expect, it } from 'vitest';
import { Placements } from './placements.ts';
import { ReleaseWatch } from './release-watch.ts';

const node = `node_${'1'.repeat(40)}` as NodeId;
const job = `job_${'a'.repeat(20)}` as JobId;
const ended = `${job}.0` as TaskId;
const wanted = `${job}.1` as TaskId;

function rig(named: readonly string[] = []) {
  const occupied: NodeRecord['occupied'] = new Map([
    [ended, { task: ended, job, attempt: 2, devices: [], alternative: 0 }],
    [wanted, { task: wanted, job, attempt: 1, devices: [], alternative: 0 }],
  ]);
  const placements = new Placements();
  placements.follow(
    [
      {
        index: 0,
        event: {
          type: 'attempt.assigned',
          at: 0,
          task: wanted,
          attempt: 1,
          node,
          devices: [],
          rateNano: '1',
        },
      },
    ],
    { placed() {}, revoked() {}, settled() {}, nodeChanged() {}, nodeForgotten() {} },
  );
  const refusals: string[] = [];
  const session = {
    number: 1,
    isOpen: true,
    named: new Set(named),
    connection: { refuse: ({ code }: { readonly code: string }) => void refusals.push(code) },
  };
  const watch = new ReleaseWatch({
    nodes: () => [{ id: node, occupied }],
    placements,
    sessions: { get: () => session },
    releaseMs: 1000,
  });
  return { watch, occupied, session, refusals };
}

it('asks a node that says nothing of an attempt that has to go, once its time is over', () => {
  const { watch, refusals } = rig();
  watch.sweep(5000);
  watch.sweep(5999);
  expect(refusals).toEqual([]);
  watch.sweep(6000);
  expect(refusals).toEqual(['session.stale']);
});

it('gives longer for what the node has named, and does not ask for what it has let go of or is to keep', () => {
  const named = rig([`${ended}-2`]);
  const released = rig();
  for (const atMs of [0, 900, 1900]) {
    named.watch.sweep(atMs);
    released.watch.sweep(atMs);
    released.occupied.delete(ended);
  }
  expect(named.refusals).toEqual([]);
  named.watch.sweep(5000);
  expect(named.refusals).toHaveLength(1);
  named.session.number = 2;
  named.watch.sweep(5001);
  expect(named.refusals).toHaveLength(1);
  expect(released.refusals).toEqual([]);
});

it('counts from anew when there is no session', () => {
  const { watch, session, refusals } = rig();
  watch.sweep(0);
  session.isOpen = false;
  watch.sweep(500);
  session.isOpen = true;
  watch.sweep(1200);
  expect(refusals).toEqual([]);
  watch.sweep(2200);
  expect(refusals).toHaveLength(1);
});
