import { expect, test } from 'vitest';
import { judgeRefusal } from './engine-refusal.ts';

const secret = '/srv/owner/private/overlay2/77';

test.each([
  [400, 'No command specified', 'start_failed', 'does not accept'],
  [400, `invalid mount config: bind source path does not exist: ${secret}`, 'agent_failed', 'could not make'],
  [
    500,
    `OCI runtime create failed: exec: "nope": executable file not found in $PATH: ${secret}`,
    'start_failed',
    'no such file',
  ],
  [500, `exec /x: permission denied ${secret}`, 'start_failed', 'permission denied'],
  [500, `mkdir ${secret}: no space left on device`, 'agent_failed', 'could not make'],
  [500, `runc says ${secret}`, 'agent_failed', 'could not make'],
])('%i %s', (status, detail, reason, words) => {
  const judged = judgeRefusal({ status, detail, ownTexts: [] });
  expect(judged).toMatchObject({ reason, detail });
  expect(judged.message).toContain(words);
  expect(judged.message).not.toContain('private');
});

test('what the consumer chose does not make it the fault of the node', () => {
  const workingDir = '/no space left on device';
  const detail = `OCI runtime create failed: chdir to cwd ("${workingDir}") set in config.json failed: not a directory`;
  expect(judgeRefusal({ status: 500, detail, ownTexts: [workingDir] })).toMatchObject({
    reason: 'start_failed',
    message: expect.stringContaining('working directory'),
  });
  expect(judgeRefusal({ status: 500, detail, ownTexts: [] })).toMatchObject({ reason: 'agent_failed' });
});

test('a mount that the image is in the way of is named where the job chose it, and nowhere else', () => {
  const detail = `error mounting "${secret}" to rootfs at "/data/in": not a directory`;
  expect(judgeRefusal({ status: 500, detail, ownTexts: ['/data/in'] }).message).toContain(
    '/data/in cannot be mounted',
  );
  expect(judgeRefusal({ status: 500, detail, ownTexts: [] }).message).not.toContain('/data/in');
});
