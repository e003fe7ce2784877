import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Ended, runCommandLine, type Setting } from '../testing/command-line.ts';
import { events, json, ScriptedServer, text } from '../testing/scripted-server.ts';
import { endedJob, failedTask, jobId, jobView, taskIdAt, taskView } from '../testing/views.ts';

let server: ScriptedServer;
let folder: string;
beforeEach(async () => {
  server = await ScriptedServer.start();
  folder = await mkdtemp(join(tmpdir(), 'capacloud-lost-'));
  server
    .on('GET /v1/jobs', json({ items: Array.from({ length: 100 }, () => jobView()) }))
    .on('POST /v1/jobs', json(jobView(), 201))
    .on(`GET /v1/jobs/${jobId}`, json({ ...jobView(), spec: {} }))
    .on(`GET /v1/jobs/${jobId}/tasks`, json({ items: [failedTask(0, 7)] }))
    .on(
      `GET /v1/jobs/${jobId}/events`,
      events([
        { event: 'task', data: taskView(0, { state: 'running', attempts: 1 }) },
        { event: 'task', data: failedTask(0, 7) },
        { event: 'job', data: endedJob('failed') },
      ]),
    );
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

function capacloud(args: readonly string[], setting: Partial<Setting> = {}): Promise<Ended> {
  return runCommandLine(args, { url: server.url, home: folder, ...setting });
}

async function jobFile(): Promise<string> {
  const path = join(folder, 'job.yaml');
  await writeFile(path, 'version: "1"\nimage: x\n');
  return path;
}

async function withFullDisk<T>(act: (fd: number) => Promise<T>): Promise<T> {
  const full = await open('/dev/full', 'w');
  try {
    return await act(full.fd);
  } finally {
    await full.close();
  }
}

describe('a reader that has enough', () => {
  test.each([
    ['ps', ['ps', '-n', '9999']],
    ['help', ['--help']],
    ['gpus', ['gpus', '--json']],
  ])('is no error of %s', async (_, args) => {
    expect(await capacloud(args, { unread: ['stdout'] })).toMatchObject({ code: 0, err: '' });
  });

  test('ends what would print for ever', async () => {
    const task = taskIdAt(0);
    server
      .on(`GET /v1/tasks/${task}`, json(taskView(0, { state: 'running', attempts: 1 })))
      .on(`GET /v1/tasks/${task}/attempts/1/log`, events([{ event: 'log', data: 'a' }], 'silence'));
    const ended = await capacloud(['logs', '-f', '--attempt', '1', task], { unread: ['stdout'] });
    expect(ended).toMatchObject({ code: 0, err: '' });
  });

  test.each([
    ['run', async () => ['run', await jobFile()], ['stdout']],
    ['run, of its words as well', async () => ['run', await jobFile()], ['stdout', 'stderr']],
    ['run --json', async () => ['run', '--json', await jobFile()], ['stdout']],
    ['wait', () => Promise.resolve(['wait', jobId]), ['stderr']],
  ] as const)("leaves %s the job's own exit code", async (_, args, unread) => {
    const ended = await capacloud(await args(), { unread });
    expect(ended.code, ended.err).toBe(7);
  });

  test('does not end a download', async () => {
    const sha256 = '88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589';
    const outputs = [{ path: '/out/a', sha256, sizeBytes: 4 }];
    server
      .on(
        `GET /v1/jobs/${jobId}/tasks`,
        json({ items: [taskView(0, { state: 'succeeded', outputs } as never)] }),
      )
      .on(`GET /v1/artifacts/${sha256}`, text('abcd'));
    const ended = await capacloud(['get', '--json', jobId, join(folder, 'here')], { unread: ['stdout'] });
    expect(ended.code, ended.err).toBe(0);
    await (await open(join(folder, 'here/0/out/a'))).close();
  });
});

describe('a full disk under standard output', () => {
  test('fails a command that only prints, in a sentence', async () => {
    const { code, err } = await withFullDisk((stdoutFd) => capacloud(['gpus'], { stdoutFd }));
    expect(err).toMatch(
      /^error: Standard output cannot be written: the disk is full\. \(ENOSPC\)\nhint: .+\n$/,
    );
    expect(code).toBe(125);
  });

  test("leaves run the job's own exit code, and is told", async () => {
    const file = await jobFile();
    const { code, err } = await withFullDisk((stdoutFd) => capacloud(['run', file], { stdoutFd }));
    expect(err).toContain('warning: Standard output cannot be written: the disk is full. (ENOSPC)');
    expect(code).toBe(7);
  });
});

describe('what nobody foresaw', () => {
  test('is one sentence with a code and a hint, and a stack only for developers', async () => {
    server.on('GET /v1/jobs', json('not a page'));
    const ended = await capacloud(['ps']);
    expect(ended.err).toMatch(/^error: [^\n]+ \([a-z_.]+\)\nhint: [^\n]+\n$/);
    expect(ended.code).toBe(125);
    expect((await capacloud(['ps'], { env: { CAPACLOUD_DEBUG: '1' } })).err).toMatch(/\n +at /);
  });

  test('names a settings file that cannot be written', async () => {
    server.on('GET /v1/account', json({ id: 'acc_ada' }));
    const env = { CAPACLOUD_URL: '', CAPACLOUD_API_KEY: '', XDG_CONFIG_HOME: folder };
    await writeFile(join(folder, 'capacloud'), '');
    const ended = await capacloud(['login', '--url', server.url], { env, stdin: 'key\n' });
    expect(ended.err).toContain(`${folder}/capacloud cannot be used: `);
    expect(ended.code).toBe(125);
  });
});
