import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createClient } from './client.ts';
import { followJob, followLog, waitForJob } from './follow.ts';
import { parseEvents } from './sse.ts';
import { events, json, problem, ScriptedServer } from './testing/scripted-server.ts';
import { endedJob, jobId, jobView, taskIdAt, taskView } from './testing/views.ts';

let server: ScriptedServer;
beforeEach(async () => {
  server = await ScriptedServer.start();
});
afterEach(() => server.stop());

const fast = { reconnectMs: 1 };
const clientOf = () => createClient({ baseUrl: server.url, apiKey: 'cck_x', maxTries: 1 });
const feed = `GET /v1/jobs/${jobId}/events`;
const log = `GET /v1/tasks/${taskIdAt(0)}/attempts/2/log`;

describe('followJob', () => {
  test('goes on after the last event that it saw, until the job has ended', async () => {
    server.on(
      feed,
      events([
        { event: 'task', data: taskView(0) },
        { event: 'job', data: jobView(), id: 41 },
      ]),
      events([{ event: 'job', data: jobView({ state: 'running' }), id: 42 }], 'break'),
      problem('service.draining'),
      events([
        { event: 'unheard-of', data: 1 },
        { event: 'job', data: endedJob('succeeded'), id: 43 },
        { event: 'task', data: taskView(1, { state: 'succeeded' }) },
      ]),
    );
    const reconnects: unknown[] = [];
    const changes = await Array.fromAsync(
      followJob(clientOf(), jobId, { ...fast, onReconnect: (error) => reconnects.push(error) }),
    );
    expect(changes.map((change) => (change.kind === 'job' ? change.job.state : change.task.index))).toEqual([
      0,
      'queued',
      'running',
      'succeeded',
      1,
    ]);
    expect(server.seen.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '41', '42', '42']);
    expect(server.seen[0]?.headers.accept).toBe('text/event-stream');
    expect(reconnects).toHaveLength(3);
  });

  test('a job that has ended needs no second connection when the first one breaks', async () => {
    server.on(feed, events([{ event: 'job', data: endedJob('failed') }], 'break'));
    expect(await waitForJob(clientOf(), jobId, fast)).toMatchObject({ state: 'failed' });
    expect(await Array.fromAsync(followJob(clientOf(), jobId, fast))).toHaveLength(1);
    expect(server.seen).toHaveLength(2);
  });

  test('a refusal is final', async () => {
    server.on(feed, problem('request.not_found'));
    await expect(waitForJob(clientOf(), jobId, fast)).rejects.toMatchObject({ code: 'request.not_found' });
    expect(server.seen).toHaveLength(1);
  });

  test('a stream that fell silent is taken up again', async () => {
    server.on(feed, events([], 'silence'), events([{ event: 'job', data: endedJob('succeeded') }]));
    const job = await waitForJob(clientOf(), jobId, { ...fast, silenceMs: 50 });
    expect(job.state).toBe('succeeded');
    expect(server.seen).toHaveLength(2);
  });

  test('gives up on a coordinator that never says anything', async () => {
    server.on(feed, problem('service.draining'));
    await expect(waitForJob(clientOf(), jobId, { reconnectMs: 0 })).rejects.toThrow('does not come back');
  });

  test('stops when it is told to', async () => {
    server.on(feed, events([{ event: 'task', data: taskView(0) }], 'silence'));
    const stop = new AbortController();
    const work = waitForJob(clientOf(), jobId, { signal: stop.signal });
    await expect.poll(() => server.seen.length).toBe(1);
    stop.abort(new Error('enough'));
    await expect(work).rejects.toThrow('enough');
  });
});

test('followLog gives each piece once, and ends with the log', async () => {
  server.on(
    log,
    events([{ event: 'log', data: 'Grüße,\n', id: 9 }], 'break'),
    events([
      { event: 'log', data: 'Welt \u2603\n', id: 19 },
      { event: 'end', data: { offset: 19 }, id: 19 },
    ]),
  );
  const pieces = await Array.fromAsync(followLog(clientOf(), taskIdAt(0), 2, fast));
  expect(pieces.join('')).toBe('Grüße,\nWelt \u2603\n');
  expect(server.seen.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '9']);
});

describe('parseEvents', () => {
  async function* bytes(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
    for (const part of parts) yield await Promise.resolve(Buffer.from(part));
  }

  test('reads fields as the standard says', async () => {
    const stream = bytes(
      'data: a\r\n',
      'data:b\nid: 7\nretry: 1\n\n: comment\n\nevent: x\ndata\n\n',
      'data: cut off',
    );
    expect(await Array.fromAsync(parseEvents(stream))).toEqual([
      { event: 'message', data: 'a\nb', id: '7' },
      { event: 'x', data: '', id: '7' },
    ]);
  });

  test.each(['data: x\n', 'x'])('refuses an event without an end (%j)', async (piece) => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield await Promise.resolve(Buffer.from(piece.repeat(100_000)));
    }
    await expect(Array.fromAsync(parseEvents(endless()))).rejects.toThrow('too large');
  });
});

test('json answers where a stream was expected end in an error, not in a loop', async () => {
  server.on(feed, json({}));
  await expect(waitForJob(clientOf(), jobId, { reconnectMs: 0 })).rejects.toThrow('does not come back');
});
