import { type JobId, type TaskId, taskIdOf } from '@capacloud/protocol/ids';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import type { SignedReceipt } from '@capacloud/protocol/wire/receipt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
});
afterAll(() => coordinator.close());

const odd = 'a\u202eb\u001b[2Jc\u200bd\u{e0041}\n\u007f';

async function runningTask(): Promise<TaskId> {
  const response = await coordinator.call('POST', '/v1/jobs', {
    json: { version: '1', image: 'busybox', retry: { max_attempts: 1 } },
    headers: { 'idempotency-key': `shown-${Math.random()}` },
  });
  const task = taskIdOf(((await response.json()) as JobView).id as JobId, 0);
  await expect
    .poll(() => coordinator.store.reads.getTask(task))
    .toMatchObject({ state: 'assigned', attempts: 1 });
  await coordinator.progress(task, 1, 'running');
  return task;
}

it('shows what an agent says without characters that nobody sees, and escapes them in what it signed', async () => {
  const task = await runningTask();
  const skipped = { total: 1, first: [{ path: `/out/${odd}`, why: 'special' as const }] };
  await coordinator.finish(task, 1, { reason: 'exit_nonzero', exitCode: 3, message: odd, skipped });
  const job = task.split('.')[0] ?? '';
  const read = async (path: string) => await (await coordinator.call('GET', path)).text();
  const view = await read(`/v1/tasks/${task}`);
  const receipt = await read(`/v1/tasks/${task}/attempts/1/receipt`);
  const attempts = await read(`/v1/tasks/${task}/attempts`);
  const stream = await read(`/v1/jobs/${job}/events`);
  for (const text of [view, receipt, attempts, stream.replaceAll('\n', '')])
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  const cleaned = 'a\ufffdb\ufffd[2Jc\ufffdd\ufffd \ufffd';
  const shown = JSON.parse(view) as TaskView;
  expect(shown.message).toBe(cleaned);
  expect(shown.skipped?.first[0]?.path).toBe(`/out/${cleaned}`);
  expect(attempts).toContain(cleaned);
  // It is the same receipt still, so its hash and signature hold.
  expect((JSON.parse(receipt) as SignedReceipt).receipt).toMatchObject({ message: odd, skipped });
});

it.each(['\u202e', '\u001b', '\0', '\u200b', '\u2028', '\u{e0041}'])(
  'takes no name of a key and no label of a job with %j',
  async (character) => {
    const text = `a${character}b`;
    const headers = { 'idempotency-key': `shown-${Math.random()}` };
    const job = (labels: Readonly<Record<string, string>>) => ({ version: '1', image: 'busybox', labels });
    const calls = [
      await coordinator.call('POST', '/v1/keys', { json: { name: text }, headers }),
      await coordinator.call('POST', '/v1/jobs', { json: job({ [text]: 'a' }), headers }),
      await coordinator.call('POST', '/v1/jobs', { json: job({ a: text }), headers }),
    ];
    for (const response of calls) {
      expect(response.status).toBe(422);
      expect(await response.text()).not.toContain(character);
    }
  },
);
