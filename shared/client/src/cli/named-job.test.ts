import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createClient } from '../client.ts';
import { runCommandLine } from '../testing/command-line.ts';
import { json, ScriptedServer } from '../testing/scripted-server.ts';
import { jobId, jobView, nodeId, taskIdAt, taskView } from '../testing/views.ts';
import { CommandError } from './command-error.ts';
import { Context } from './context.ts';
import { findJob, findJobOrTask, findLiveJob, findNode } from './named-job.ts';
import type { Output } from './terminal.ts';

const otherId = 'job_abcdzzzzzzzzzzzzzzzz' as JobView['id'];
let server: ScriptedServer;
let jobs: readonly JobView[];
let said: string;
beforeEach(async () => {
  server = await ScriptedServer.start();
  said = '';
  // As the coordinator answers: by the beginning of the id, or by the name.
  server.on('GET /v1/jobs', (request, response) => {
    const [prefix, name] = [request.query.get('id_prefix'), request.query.get('name')];
    const items = jobs.filter((job) => (prefix === null ? job.name === name : job.id.startsWith(prefix)));
    return json({ items })(request, response);
  });
});
afterEach(() => server.stop());

const client = () => createClient({ baseUrl: server.url, apiKey: 'cck_a' });
function context(): Context {
  const output = (write: (text: string) => void): Output => ({
    isTty: false,
    columns: 80,
    paint: (_, text) => text,
    write,
    settle: () => Promise.resolve(),
  });
  const terminal = { out: output(() => undefined), err: output((text) => (said += text)), isLive: false };
  return new Context(terminal, {}, {}, new AbortController().signal);
}
const find = (text: string) => findJob(context(), client(), text);
const refusal = (promise: Promise<unknown>): Promise<CommandError> =>
  promise.then(
    () => expect.unreachable('it was found'),
    (error: unknown) => (error instanceof CommandError ? error : expect.unreachable(String(error))),
  );

describe('a job', () => {
  beforeEach(() => {
    jobs = [jobView({ id: otherId, name: 'train' }), jobView({ id: jobId, name: 'render' })];
  });

  test('by its whole id is not asked for', async () => {
    expect(await find(jobId)).toBe(jobId);
    expect(server.seen).toEqual([]);
  });

  test.each(['job_abcde', 'abcde', jobId.slice(4), 'render'])('is found by %s', async (text) => {
    expect(await find(text)).toBe(jobId);
  });

  test.each(['job_abcd', 'abcd'])(
    'that %s does not tell apart is refused with the candidates',
    async (text) => {
      const { exitStatus, problems } = await refusal(find(text));
      expect(problems.map(({ place }) => place)).toEqual([otherId, jobId]);
      expect(exitStatus).toBe(2);
    },
  );

  test('whose name is the beginning of the id of another is refused', async () => {
    jobs = [jobView({ id: otherId, name: 'abcde' }), jobView({ id: jobId })];
    expect((await refusal(find('abcde'))).problems).toHaveLength(2);
  });

  test.each(['nothing', 'job_zzzz', 'job_abc', 'Render', '', '%', 'a/b'])(
    'is not found by %j',
    async (text) => {
      const { exitStatus, hint } = await refusal(find(text));
      expect(exitStatus).toBe(2);
      expect(hint).toContain('capacloud ps');
    },
  );

  test('is the latest of its name, which is said', async () => {
    jobs = [jobView({ id: otherId }), jobView({ id: jobId })];
    expect(await find('render')).toBe(otherId);
    expect(said).toBe(`render is ${otherId}, the latest of several jobs of that name.\n`);
  });

  test('is looked for on a bounded number of pages', async () => {
    server.on('GET /v1/jobs', json({ items: [], next: '7' }));
    await refusal(find('no-such-name'));
    expect(server.seen.length).toBeLessThanOrEqual(11);
  });

  test('to be cancelled is the only one of its name that has not ended, or is refused', async () => {
    const live = jobView({ id: jobId });
    jobs = [jobView({ id: otherId, state: 'succeeded' }), live];
    expect(await findLiveJob(context(), client(), 'render')).toBe(jobId);
    jobs = [jobView({ id: otherId }), live];
    expect((await refusal(findLiveJob(context(), client(), 'render'))).problems).toHaveLength(2);
  });

  test.each(['render/1', 'render.1', 'job_abcde.1', taskIdAt(1)])('%s is a task of it', async (text) => {
    expect(await findJobOrTask(context(), client(), text)).toEqual({ kind: 'task', id: taskIdAt(1) });
  });
});

test('a node is found by the beginning of its id', async () => {
  server.on('GET /v1/nodes', json({ items: [{ id: nodeId }] }));
  expect(await findNode(context(), client(), 'node_abab')).toBe(nodeId);
  await refusal(findNode(context(), client(), 'node_ab'));
});

test.each([
  ['status', []],
  ['logs', []],
  ['why', []],
  ['wait', []],
  ['cancel', []],
  ['get', ['here']],
])('%s takes a name', async (verb, more) => {
  jobs = [jobView({ id: jobId })];
  const home = await mkdtemp(join(tmpdir(), 'capacloud-named-'));
  server.on(`GET /v1/jobs/${jobId}/tasks`, json({ items: [taskView(0)] }));
  await runCommandLine([verb, 'render', ...more], { url: server.url, home });
  await rm(home, { recursive: true });
  expect(
    server.seen.some(({ path }) => path.includes(jobId)),
    JSON.stringify(server.seen),
  ).toBe(true);
});
