import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Ended, runCommandLine, type Setting } from '../testing/command-line.ts';
import { events, json, problem, ScriptedServer } from '../testing/scripted-server.ts';
import { endedJob, failedTask, jobId, jobView, taskIdAt, taskView } from '../testing/views.ts';

let server: ScriptedServer;
let folder: string;
beforeEach(async () => {
  server = await ScriptedServer.start();
  folder = await mkdtemp(join(tmpdir(), 'capacloud-logs-'));
  server.on(`GET /v1/jobs/${jobId}/tasks`, json({ items: [failedTask(0, 3)] }));
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

async function run(flags: readonly string[], setting: Partial<Setting> = {}): Promise<Ended> {
  const path = join(folder, 'job.yaml');
  await writeFile(path, 'version: "1"\nimage: x\n');
  return runCommandLine(['run', ...flags, path], { url: server.url, home: folder, ...setting });
}

const counts = { total: 1, queued: 0, active: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
const single = (change: Partial<JobView>, tasks: Partial<typeof counts>) =>
  jobView({ ...change, tasks: { ...counts, ...tasks } });
const feed = `GET /v1/jobs/${jobId}/events`;
const logOf = (index: number) => `GET /v1/tasks/${taskIdAt(index)}/attempts/1/log`;
const changes = [
  { event: 'task', data: taskView(0, { state: 'running', attempts: 1 }) },
  { event: 'task', data: failedTask(0, 3) },
  { event: 'job', data: single({ ...endedJob('failed') }, { failed: 1 }) },
];

function submitSingle(): void {
  server.on('POST /v1/jobs', json(single({}, { queued: 1 }), 201)).on(feed, events(changes));
}

test('of one task shows what the program writes and nothing else on standard output, to the last byte', async () => {
  submitSingle();
  let feedEnded: Promise<unknown> | undefined;
  server
    .on(feed, async (request, response) => {
      feedEnded = once(response, 'close');
      await events(changes)(request, response);
    })
    .on(logOf(0), async (request, response) => {
      // The last words come after those about the end of the job.
      await feedEnded;
      await events([
        { event: 'log', data: 'first\n' },
        { event: 'log', data: 'last, without an end of line' },
        { event: 'end', data: {} },
      ])(request, response);
    });
  const ended = await run([]);
  expect(ended.out, ended.err).toBe('first\nlast, without an end of line');
  expect(ended.err.split('\n')).toEqual([
    `submitted ${jobId}`,
    'running',
    'render failed with exit code 3, 1m 12s, 0.0123 CAPA',
    '  The container exited with a code other than 0.',
    '',
  ]);
  expect(ended.code).toBe(3);
});

test.each([[['--no-logs']], [['--json']]])('%j of one task asks for no log', async (flags) => {
  submitSingle();
  const ended = await run(flags);
  expect(ended.out).toContain(jobId);
  expect(ended.code, ended.err).toBe(3);
  expect(server.requests(logOf(0))).toEqual([]);
});

test('--logs of several tasks puts the index before each line', async () => {
  const started = (index: number) => {
    server.on(
      logOf(index),
      events([
        { event: 'log', data: `a\nb${index}` },
        { event: 'end', data: {} },
      ]),
    );
    return { event: 'task', data: taskView(index, { state: 'running', attempts: 1 }) };
  };
  const stream = events([started(0), started(1), { event: 'job', data: endedJob('succeeded') }]);
  server.on('POST /v1/jobs', json(jobView(), 201)).on(feed, stream);
  const ended = await run(['--logs']);
  expect(ended.code, ended.err).toBe(0);
  expect(ended.out.split('\n').sort()).toEqual(['', '   0 │ a', '   0 │ b0', '   1 │ a', '   1 │ b1']);
});

test('what is missing of a long output, and outputs that were not kept, are told on standard error', async () => {
  submitSingle();
  const skipped = { total: 3, first: [] };
  const end = { event: 'task', data: { ...failedTask(0, 3), skipped } };
  server.on(feed, events([...changes.slice(0, 1), end, ...changes.slice(2)])).on(
    logOf(0),
    events([
      { event: 'log', data: 'begin\n' },
      { event: 'gap', data: { from: 6, to: 90 } },
      { event: 'log', data: 'end\n' },
      { event: 'end', data: {} },
    ]),
  );
  const ended = await run([]);
  expect(ended.out).toBe('begin\nend\n');
  expect(ended.err).toContain('84 bytes of the output are missing here (offsets 6 to 90)');
  expect(ended.err).toContain(
    `  3 outputs could not be kept: capacloud status ${taskIdAt(0)} says which, and why\n`,
  );
});

test("a log that cannot be read is told, and the job's own exit code stays", async () => {
  submitSingle();
  server.on(logOf(0), problem('request.not_found'));
  const ended = await run([]);
  expect(ended.err).toContain('The log could not be read to its end: ');
  expect(ended.code).toBe(3);
});

test('says why nothing starts, and after Ctrl-C that the job goes on and how to cancel it', async () => {
  const waiting = taskView(0, {
    reason: 'price_too_low',
    message: 'Every node asks for more.',
    hint: 'Pay.',
  });
  server
    .on('POST /v1/jobs', json(single({}, { queued: 1 }), 201))
    .on(feed, events([{ event: 'task', data: taskView(0) }], 'silence'))
    .on(`GET /v1/jobs/${jobId}/tasks`, json({ items: [waiting] }));
  const ended = await run([], { interruptAt: 'waiting:' });
  expect(ended.err.split('\n')).toEqual([
    `submitted ${jobId}`,
    'waiting: Every node asks for more. Pay.',
    `Detached; ${jobId} goes on.`,
    `  come back:  capacloud wait ${jobId}`,
    `  stop it:    capacloud cancel ${jobId}`,
    '',
  ]);
  expect(ended).toMatchObject({ code: 130, out: '' });
});
