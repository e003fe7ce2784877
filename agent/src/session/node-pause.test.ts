import type { NodeId } from '@capacloud/protocol/ids';
import { expect, test } from 'vitest';
import { NodePauseWatch } from './node-pause.ts';

const node = `node_${'2'.repeat(40)}` as NodeId;
const why = {
  node,
  status: 'ready',
  cause: 'x',
  since: '2026-01-01T00:00:00.000Z',
  takes_work: false,
  message: '3 attempts in a row ended by its own fault.',
  closed_by: ['node_backing_off'],
  backing_off_until: '2026-01-01T01:00:00.000Z',
  reliability: { attempts: 3, failed: 3, failed_in_row: 3, silences: 0, tries: 1 },
};

function watch(answer: () => Promise<Response>) {
  let asked = 0;
  const watching = new NodePauseWatch(node, (path) => {
    expect(path).toBe(`/v1/nodes/${node}/why`);
    asked += 1;
    return answer();
  });
  return { watching, asked: () => asked };
}

test('says why the coordinator pauses the node and until when, and does not ask each time', async () => {
  const { watching, asked } = watch(() => Promise.resolve(Response.json(why)));
  const pause = { message: why.message, until: why.backing_off_until };
  expect(await watching.read(0)).toEqual(pause);
  expect(await watching.read(1000)).toEqual(pause);
  expect(asked()).toBe(1);
  await watching.read(60_000);
  expect(asked()).toBe(2);
});

test.each<[string, () => Promise<Response>]>([
  ['gives it work', () => Promise.resolve(Response.json({ ...why, takes_work: true, closed_by: [] }))],
  ['does not answer', () => Promise.reject(new Error('no'))],
  ['does not know it', () => Promise.resolve(Response.json({ code: 'request.not_found' }, { status: 404 }))],
  ['answers something else', () => Promise.resolve(Response.json({ message: 'x' }))],
  ['answers without end', () => Promise.resolve(new Response('x'.repeat(100_000)))],
])('says nothing where the coordinator %s', async (_, answer) => {
  expect(await watch(answer).watching.read(0)).toBeUndefined();
});
