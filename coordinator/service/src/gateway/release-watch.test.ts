import type { JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import { expect, it } from 'vitest';
import type { NodeAttempt } from '../ports/questions.ts';
import { ReleaseWatch } from './release-watch.ts';

const node = `node_${'1'.repeat(40)}` as NodeId;
const job = `job_${'a'.repeat(20)}` as JobId;
const ended = `${job}.0` as TaskId;

function rig(named: readonly string[] = []) {
  const unreleased: NodeAttempt[] = [{ task: ended, attempt: 2, node }];
  const refusals: string[] = [];
  const session = {
    number: 1,
    isOpen: true,
    named: new Set(named),
    connection: { refuse: ({ code }: { readonly code: string }) => void refusals.push(code) },
  };
  const watch = new ReleaseWatch({
    unreleased: () => Promise.resolve([...unreleased]),
    sessions: { get: () => session },
    releaseMs: 1000,
  });
  return { watch, unreleased, session, refusals };
}

it('asks a node that says nothing of an attempt that has to go, once its time is over', async () => {
  const { watch, refusals } = rig();
  await watch.sweep(5000);
  await watch.sweep(5999);
  expect(refusals).toEqual([]);
  await watch.sweep(6000);
  expect(refusals).toEqual(['session.stale']);
});

it('gives longer for what the node has named, and does not ask for what it has let go of or is to keep', async () => {
  const named = rig([`${ended}-2`]);
  const released = rig();
  for (const atMs of [0, 900, 1900]) {
    await named.watch.sweep(atMs);
    await released.watch.sweep(atMs);
    released.unreleased.length = 0;
  }
  expect(named.refusals).toEqual([]);
  await named.watch.sweep(5000);
  expect(named.refusals).toHaveLength(1);
  named.session.number = 2;
  await named.watch.sweep(5001);
  expect(named.refusals).toHaveLength(1);
  expect(released.refusals).toEqual([]);
});

it('counts from anew when there is no session', async () => {
  const { watch, session, refusals } = rig();
  await watch.sweep(0);
  session.isOpen = false;
  await watch.sweep(500);
  session.isOpen = true;
  await watch.sweep(1200);
  expect(refusals).toEqual([]);
  await watch.sweep(2200);
  expect(refusals).toHaveLength(1);
});
