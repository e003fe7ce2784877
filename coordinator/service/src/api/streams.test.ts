import { type JobId, type TaskId, taskIdOf } from '@capacloud/protocol/ids';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { agentToken, startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';
import { followJob } from './job-events.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
});
afterAll(() => coordinator.close());

interface Message {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

async function* messages(response: Response): AsyncGenerator<Message> {
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(bytes, { stream: true });
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      if (part.startsWith(':')) continue;
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(part)?.[1];
      yield { id: field('id'), event: field('event') ?? '', data: field('data') ?? '' };
    }
  }
}

let keys = 0;
async function submit(replicas: number): Promise<JobId> {
  const response = await coordinator.call('POST', '/v1/jobs', {
    json: {
      version: '1',
      image: 'busybox',
      replicas,
      resources: { cpu: '100m', memory: '10Mi', disk: '1Mi' },
    },
    headers: { 'idempotency-key': `stream-${keys++}` },
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as JobView).id;
}
async function assigned(task: TaskId): Promise<void> {
  await expect.poll(async () => (await coordinator.store.reads.getTask(task))?.state).toBe('assigned');
}
const open = (path: string, headers: Record<string, string> = {}) =>
  coordinator.call('GET', path, { headers: { accept: 'text/event-stream', ...headers } });

it('tells a job as it is and as it changes, and ends after it', async () => {
  const job = await submit(2);
  const [first, second] = [taskIdOf(job, 0), taskIdOf(job, 1)];
  await assigned(second);
  const stream = messages(await open(`/v1/jobs/${job}/events`));
  const take = async () => (await stream.next()).value as Message;
  expect([await take(), await take()].map(({ event, id }) => [event, id])).toEqual([
    ['task', undefined],
    ['task', undefined],
  ]);
  const whole = await take();
  expect(whole.event).toBe('job');
  expect(Number(whole.id)).toBeLessThan(coordinator.store.log.size());
  await coordinator.progress(first, 1, 'running');
  const running = await take();
  expect(JSON.parse(running.data)).toMatchObject({ id: first, state: 'running' });
  await coordinator.finish(first, 1);
  await coordinator.finish(second, 1);
  const states = new Map<string, string>();
  let last: Message | undefined;
  for await (const message of stream) {
    last = message;
    if (message.event !== 'task') continue;
    const task = JSON.parse(message.data) as TaskView;
    states.set(task.id, task.state);
  }
  expect(Object.fromEntries(states)).toEqual({ [first]: 'succeeded', [second]: 'succeeded' });
  expect(JSON.parse(last?.data ?? '')).toMatchObject({ id: job, state: 'succeeded' });
});

it('looks at a task when its reader comes to it, and not before', async () => {
  const tasks = Array.from({ length: 200 }, (_, index) => ({
    id: `task ${index}`,
    state: 'succeeded',
    updatedAt: 1,
  }));
  const ofTask = vi.fn(async (row: unknown) => row);
  const store = { listTasks: async () => ({ items: tasks, cursors: [] }), getJob: async () => undefined };
  const transparency = { entries: async () => ({ entries: [], size: 1 }) };
  const parts = { deps: { store, transparency }, feed: { watch: () => () => undefined }, views: { ofTask } };
  const events = followJob(parts as never, {} as never, undefined, new AbortController().signal);
  for (let taken = 1; taken <= 3; taken++) {
    await events.next();
    expect(ofTask).toHaveBeenCalledTimes(taken);
  }
  await events.return();
});

it('tells whoever comes back only what has changed since', async () => {
  const job = await submit(3);
  const [first, , third] = [taskIdOf(job, 0), taskIdOf(job, 1), taskIdOf(job, 2)];
  await assigned(third);
  const stream = messages(await open(`/v1/jobs/${job}/events`));
  let id: string | undefined;
  for (let i = 0; i < 4; i++) id = ((await stream.next()).value as Message).id ?? id;
  await stream.return(undefined);
  // Times are those of the commands: the change must not fall into the millisecond of the last event told.
  const { at } = JSON.parse((await coordinator.store.log.read(Number(id), 1))[0]?.entry ?? '') as {
    at: number;
  };
  await expect.poll(() => Date.now() > at).toBe(true);
  await coordinator.progress(first, 1, 'running');
  const again = messages(await open(`/v1/jobs/${job}/events`, { 'last-event-id': id ?? '' }));
  const news = (await again.next()).value as Message;
  expect(JSON.parse(news.data)).toMatchObject({ id: first, state: 'running' });
  expect(((await again.next()).value as Message).event).toBe('job');
  await again.return(undefined);
});

it('tells of a job that has ended and ends', async () => {
  const job = await submit(1);
  await coordinator.call('POST', `/v1/jobs/${job}/cancel`);
  const all: string[] = [];
  for await (const { event } of messages(await open(`/v1/jobs/${job}/events`))) all.push(event);
  expect(all).toEqual(['task', 'job']);
});

const put = (task: TaskId, offset: number, text: string, final = false, key = agentToken) =>
  coordinator.call('PUT', `/v1/tasks/${task}/attempts/1/log?offset=${offset}${final ? '&final=true' : ''}`, {
    key,
    body: text,
    headers: { 'content-type': 'application/octet-stream' },
  });

it('passes the output of an attempt on, whole characters at a time, to its end', async () => {
  const job = await submit(1);
  const task = taskIdOf(job, 0);
  await assigned(task);
  const path = `/v1/tasks/${task}/attempts/1/log`;
  expect(await (await put(task, 0, 'one\n')).json()).toEqual({ offset: 4 });
  const stream = messages(await open(path));
  expect((await stream.next()).value).toEqual({ id: '4', event: 'log', data: '"one\\n"' });
  const euro = Buffer.from('€');
  const half = (from: number, to: number, offset: number) =>
    coordinator.call('PUT', `${path}?offset=${offset}`, {
      key: agentToken,
      body: new Uint8Array(euro.subarray(from, to)),
      headers: { 'content-type': 'application/octet-stream' },
    });
  await half(0, 2, 4);
  await half(2, 3, 6);
  expect((await stream.next()).value).toEqual({ id: '7', event: 'log', data: '"€"' });
  const wrong = await put(task, 3, 'x');
  expect([wrong.status, wrong.headers.get('upload-offset')]).toEqual([409, '7']);
  await coordinator.progress(task, 1, 'running');
  await coordinator.finish(task, 1);
  await put(task, 7, 'two\n', true);
  expect((await stream.next()).value).toEqual({ id: '11', event: 'log', data: '"two\\n"' });
  expect((await stream.next()).value).toEqual({ id: '11', event: 'end', data: '{"offset":11}' });
  expect((await stream.next()).done).toBe(true);
  expect(await (await coordinator.call('GET', path)).text()).toBe('one\n€two\n');
  expect(await (await coordinator.call('GET', `${path}?offset=7`)).text()).toBe('two\n');
  const resumed: Message[] = [];
  for await (const message of messages(await open(path, { 'last-event-id': '7' }))) resumed.push(message);
  expect(resumed.map(({ event }) => event)).toEqual(['log', 'end']);
  expect((await put(task, 11, 'three')).status).toBe(409);
  expect((await put(task, 11, '', true)).status).toBe(200);
});

it('names the bytes of a long output that were not kept, to those who follow and to those who read', async () => {
  const job = await submit(1);
  const task = taskIdOf(job, 0);
  await assigned(task);
  const path = `/v1/tasks/${task}/attempts/1/log`;
  // The gap cuts a character, whose other half never comes.
  await put(task, 0, 'one €');
  const stream = messages(await open(path));
  expect((await stream.next()).value).toEqual({ id: '7', event: 'log', data: '"one €"' });
  const tail = (offset: number, text: string, more = '') =>
    coordinator.call('PUT', `${path}?offset=${offset}&gap_from=5${more}`, {
      key: agentToken,
      body: text,
      headers: { 'content-type': 'application/octet-stream' },
    });
  expect(await (await tail(90, 'the ')).json()).toEqual({ offset: 94 });
  expect((await stream.next()).value).toEqual({ id: '90', event: 'gap', data: '{"from":7,"to":90}' });
  expect((await stream.next()).value).toEqual({ id: '94', event: 'log', data: '"the "' });
  await coordinator.progress(task, 1, 'running');
  await coordinator.finish(task, 1);
  await tail(94, 'end', '&final=true');
  expect((await stream.next()).value).toEqual({ id: '97', event: 'log', data: '"end"' });
  expect((await stream.next()).value).toEqual({ id: '97', event: 'end', data: '{"offset":97}' });
  const all: Message[] = [];
  for await (const message of messages(await open(path))) all.push(message);
  expect(all.map(({ event, id }) => [event, id])).toEqual([
    ['log', '5'],
    ['gap', '90'],
    ['log', '97'],
    ['end', '97'],
  ]);
  const read = async (query: string) => {
    const response = await coordinator.call('GET', `${path}${query}`);
    return [response.headers.get('log-gap'), response.headers.get('content-length'), await response.text()];
  };
  expect(await read('?offset=3')).toEqual(['5-90', '9', ' \ufffdthe end']);
  expect(await read('?offset=50')).toEqual(['5-90', '7', 'the end']);
  expect(await read('?offset=94')).toEqual(['5-90', '3', 'end']);
});

it('takes output from the node of the attempt only, and no more than there may be', async () => {
  const job = await submit(1);
  const task = taskIdOf(job, 0);
  await assigned(task);
  coordinator.tokens.set('ccs_other', {
    node: `node_${'33'.repeat(20)}` as never,
    provider: `0x${'33'.repeat(20)}` as never,
  });
  const foreign = await put(task, 0, 'x', false, 'ccs_other');
  expect([foreign.status, await foreign.json()]).toMatchObject([404, { code: 'attempt.unknown' }]);
  expect((await put(task, 0, 'x', false, coordinator.consumerKey)).status).toBe(403);
  const large = await put(task, 0, 'x'.repeat(256 * 1024 + 1));
  expect([large.status, await large.json()]).toMatchObject([413, { code: 'request.too_large' }]);
  const none = await coordinator.call('GET', `/v1/tasks/${task}/attempts/2/log`);
  expect(none.status).toBe(404);
});

it('ends streams when it drains, and takes no more requests', async () => {
  const draining = await startCoordinator();
  try {
    const response = await draining.call('POST', '/v1/jobs', {
      json: { version: '1', image: 'busybox' },
      headers: { 'idempotency-key': 'drain' },
    });
    const { id } = (await response.json()) as JobView;
    const stream = messages(
      await draining.call('GET', `/v1/jobs/${id}/events`, { headers: { accept: 'text/event-stream' } }),
    );
    await stream.next();
    draining.api.drain();
    const rest: Message[] = [];
    for await (const message of stream) rest.push(message);
    expect(rest.length).toBeLessThanOrEqual(1);
    const ready = await draining.call('GET', '/readyz');
    expect([ready.status, ready.headers.get('retry-after'), await ready.json()]).toMatchObject([
      503,
      '1',
      { code: 'service.draining' },
    ]);
    expect((await draining.call('GET', '/healthz')).status).toBe(200);
  } finally {
    await draining.close();
  }
});
