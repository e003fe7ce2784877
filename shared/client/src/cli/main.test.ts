import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Ended, key, runCommandLine, type Setting } from '../testing/command-line.ts';
import { events, json, problem, ScriptedServer, text } from '../testing/scripted-server.ts';
import { endedJob, failedTask, jobId, jobView, nodeId, taskIdAt, taskView } from '../testing/views.ts';

let server: ScriptedServer;
let folder: string;
beforeEach(async () => {
  server = await ScriptedServer.start();
  folder = await mkdtemp(join(tmpdir(), 'capacloud-cli-'));
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

function capacloud(args: readonly string[], setting: Partial<Setting> = {}): Promise<Ended> {
  return runCommandLine(args, { url: server.url, home: folder, ...setting });
}

const feed = `GET /v1/jobs/${jobId}/events`;
const tasks = `GET /v1/jobs/${jobId}/tasks`;

async function jobFile(content: string): Promise<string> {
  const path = join(folder, 'job.yaml');
  await writeFile(path, content);
  return path;
}

describe('exit status', () => {
  const waitFor = (state: 'succeeded' | 'failed' | 'cancelled' | 'expired', exitCode?: number) => {
    server
      .on(`GET /v1/jobs/${jobId}`, json({ ...jobView(), spec: {} }))
      .on(feed, events([{ event: 'job', data: endedJob(state) }]))
      .on(tasks, json({ items: [failedTask(1, exitCode)] }));
    return capacloud(['wait', jobId]);
  };
  test.each([
    [0, 'a job that succeeded', () => waitFor('succeeded')],
    [7, 'the first task that failed', () => waitFor('failed', 7)],
    [1, 'a failure with exit code 0', () => waitFor('failed', 0)],
    [125, 'a failure without an exit code', () => waitFor('failed')],
    [125, 'a cancelled job', () => waitFor('cancelled')],
    [125, 'an expired job', () => waitFor('expired')],
    [2, 'no verb', () => capacloud([])],
    [2, 'an unknown verb', () => capacloud(['rnu'])],
    [2, 'an unknown option', () => capacloud(['ps', '--colour'])],
    [2, 'something that is no id', () => capacloud(['wait', 'job_1'])],
    [2, 'a job file that is not there', () => capacloud(['run', '/nowhere/job.yaml'])],
    [2, 'no coordinator', () => capacloud(['ps'], { env: { CAPACLOUD_URL: '' } })],
    [2, 'no address', () => capacloud(['ps', '--url', 'ftp://x'])],
    [4, 'no key', () => capacloud(['ps'], { env: { CAPACLOUD_API_KEY: '' } })],
    [0, 'help', () => capacloud(['--help'])],
    [0, 'the version', () => capacloud(['--version'])],
    [
      4,
      'a key that is not good',
      () => {
        server.on('GET /v1/jobs', problem('auth.invalid'));
        return capacloud(['ps']);
      },
    ],
    [125, 'an unknown job', () => capacloud(['status', jobId])],
    [125, 'nobody there', () => capacloud(['nodes', '--url', 'http://127.0.0.1:1'])],
  ] as const)('%i: %s', async (code, _, run) => {
    const ended = await run();
    expect(ended, ended.err).toMatchObject({ code });
  });
});

describe('run', () => {
  const hash = createHash('sha256').update('scene').digest('hex');
  const file = 'version: "1"\nimage: x\ninputs:\n  - { source: ./scene.pov, target: /in/scene.pov }\n';
  beforeEach(async () => {
    await writeFile(join(folder, 'scene.pov'), 'scene');
    server
      .on('POST /v1/artifacts', json({ sha256: hash, size_bytes: 5, offset: 0, complete: false }))
      .on(`PATCH /v1/artifacts/${hash}`, json({ sha256: hash, size_bytes: 5, offset: 5, complete: true }))
      .on('POST /v1/jobs', json(jobView(), 201))
      .on(tasks, json({ items: [failedTask(1, 3)] }));
  });

  test('uploads inputs, submits, follows, and says what failed', async () => {
    server.on(
      feed,
      events([
        { event: 'task', data: taskView(0, { state: 'running', attempts: 1, node: nodeId }) },
        { event: 'task', data: failedTask(1, 3) },
        { event: 'job', data: endedJob('failed') },
      ]),
    );
    const ended = await capacloud(['run', await jobFile(file), '--set', 'replicas=2']);
    expect(server.requests(`PATCH /v1/artifacts/${hash}`)[0]?.body.toString()).toBe('scene');
    expect(JSON.parse(server.requests('POST /v1/jobs')[0]?.body.toString() ?? '')).toEqual({
      version: '1',
      image: 'x',
      replicas: 2,
      inputs: [{ source: `artifact:${hash}`, target: '/in/scene.pov' }],
    });
    expect(ended.out).toBe(`${jobId}\n`);
    expect(ended.err.replace(/[0-9.]+ s\)/, 'TIME)').split('\n')).toEqual([
      'uploaded ./scene.pov (5 B, TIME)',
      `task 0 running on ${nodeId}`,
      'task 1 failed with exit code 3: The container exited with a code other than 0.',
      'render failed: 1 of 2 tasks failed, 1m 12s, 0.0123 CAPA',
      '  task 1 failed with exit code 3: The container exited with a code other than 0.',
      `    Read the log: capacloud logs ${taskIdAt(1)}.`,
      '',
    ]);
    expect(ended.code).toBe(3);
  });

  test('--detach prints the id and goes', async () => {
    const ended = await capacloud(['run', '--detach', await jobFile(file)]);
    expect(ended).toMatchObject({ code: 0, out: `${jobId}\n` });
    expect(server.requests(feed)).toEqual([]);
  });

  test('Ctrl-C detaches and says how to come back', async () => {
    server.on(feed, events([{ event: 'task', data: taskView(0, { state: 'running' }) }], 'silence'));
    const ended = await capacloud(['run', await jobFile(file)], { interruptAt: 'task 0 running' });
    expect(ended.code).toBe(130);
    expect(ended.err).toContain(`capacloud wait ${jobId}`);
    expect(ended.err).toContain(`capacloud cancel ${jobId}`);
  });

  test('--json streams every change as a line', async () => {
    server.on(feed, events([{ event: 'job', data: endedJob('succeeded') }]));
    const ended = await capacloud(['run', '--json', await jobFile(file)]);
    const lines = ended.out.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { job: { state: string } }).job.state)).toEqual([
      'queued',
      'succeeded',
    ]);
  });

  test('points at what is wrong in the file, and sends nothing', async () => {
    const ended = await capacloud(['run', await jobFile('version: "1"\nimage: x\nreplicas: 0\n')]);
    expect(ended.err).toContain('error: The job file is not valid. (job.invalid)\n');
    expect(ended.err).toContain('job.yaml:3:11 /replicas must be a whole number from 1 to 10000');
    expect(ended.code).toBe(2);
    expect(server.seen).toEqual([]);
  });

  test('shows the refusal of the coordinator with its hint', async () => {
    server.on('POST /v1/jobs', problem('ledger.insufficient_funds'));
    const ended = await capacloud(['run', await jobFile(file)]);
    expect(ended.err).toContain('error: Not enough CAPA! (ledger.insufficient_funds)\nhint: Add funds');
    expect(ended.code).toBe(125);
  });
});

describe('validate', () => {
  test.each([
    ['a file', 'version: "1"\nimage: x\n', 0, 'valid'],
    ['JSON', '{"version":"1","image":"x"}', 0, 'valid'],
    [
      'a missing input',
      'version: "1"\nimage: x\ninputs: [{source: a, target: /in/a}]',
      2,
      'a does not exist',
    ],
    [
      'a pattern of inputs',
      'version: "1"\nimage: x\ninputs: [{source: "data/*.csv", target: /in/a}]',
      2,
      'wildcards are not expanded: name each file',
    ],
    ['an unsupported field', 'version: "1"\nimage: x\nports: [80]', 2, '(job.unsupported)'],
    ['broken YAML', 'version: "1\n', 2, 'standard input:2:1: '],
    [
      'many aliases',
      `a: &a [${'x,'.repeat(99)}]\nb: &b [${'*a,'.repeat(99)}]\nc: [${'*b,'.repeat(99)}]`,
      2,
      'alias',
    ],
  ])('%s', async (_, content, code, said) => {
    const ended = await capacloud(['validate', '-'], { stdin: content });
    expect(ended.code, ended.err).toBe(code);
    expect(ended.out + ended.err).toContain(said);
    expect(server.seen).toEqual([]);
  });
});

describe('get', () => {
  const hash = createHash('sha256').update('tile').digest('hex');
  const withOutput = (path: string) =>
    taskView(0, { state: 'succeeded', outputs: [{ path, sha256: hash, sizeBytes: 4 }] } as never);

  test('downloads outputs into a folder for each task', async () => {
    server
      .on(tasks, json({ items: [withOutput('/out/a/tile.png')] }))
      .on(`GET /v1/artifacts/${hash}`, text('tile'));
    const ended = await capacloud(['get', jobId, join(folder, 'here')]);
    const path = join(folder, 'here/0/out/a/tile.png');
    expect(ended, ended.err).toMatchObject({ code: 0, out: `${path}\n` });
    expect(await readFile(path, 'utf8')).toBe('tile');
  });

  test.each(['/out/../../../x', '/..', '/', '/out/\0'])('refuses the path %j', async (path) => {
    server.on(tasks, json({ items: [withOutput(path)] }));
    const ended = await capacloud(['get', jobId, join(folder, 'here')]);
    expect(ended.code).toBe(125);
    expect(ended.err).toContain('(receipt.invalid)');
    expect(await readdir(folder)).not.toContain('here');
  });

  test('skips what is damaged, gone or in the way, and fetches the rest', async () => {
    const [gone, wrong] = ['1', '2'].map((digit) => digit.repeat(64) as Sha256Hex);
    const noArchive = Buffer.alloc(1024, 'x');
    const broken = createHash('sha256').update(noArchive).digest('hex') as Sha256Hex;
    const outputs = [
      { path: '/out/gone', sha256: gone, sizeBytes: 4 },
      { path: '/out/wrong', sha256: wrong, sizeBytes: 4 },
      { path: `/out/${'n'.repeat(300)}`, sha256: hash, sizeBytes: 4 },
      { path: '/out/file', sha256: hash, sizeBytes: 4 },
      { path: '/out/file/below', sha256: hash, sizeBytes: 4 },
      { path: '/more-files.tar', sha256: broken, sizeBytes: 1024, packed: 2 },
      { path: '/out/last', sha256: hash, sizeBytes: 4 },
    ];
    server
      .on(tasks, json({ items: [{ ...withOutput('/out/x'), outputs } as never] }))
      .on(`GET /v1/artifacts/${hash}`, text('tile'))
      .on(`GET /v1/artifacts/${wrong}`, text('tale'))
      .on(`GET /v1/artifacts/${broken}`, text(noArchive))
      .on(`GET /v1/artifacts/${gone}`, problem('request.not_found'));
    const ended = await capacloud(['get', jobId, join(folder, 'here')]);
    expect(ended.code).toBe(125);
    expect(ended.err).toContain('it was not written (and 4 more)');
    const out = join(folder, 'here/0/out');
    expect(await readFile(join(out, 'last'), 'utf8')).toBe('tile');
    expect((await readdir(out)).sort()).toEqual(['file', 'last']);
    expect(await readdir(join(folder, 'here/0'))).toEqual(['out']);
  });

  test('makes links and unpacks what was packed, and says what there is of a failed task', async () => {
    const archive = pack();
    archive.entry({ name: 'out/2.png' }, 'two');
    archive.entry({ name: '../../../evil' }, 'evil');
    archive.entry({ name: 'out/../../../evil' }, 'evil');
    archive.entry({ name: 'out/link', type: 'symlink', linkname: '/etc' });
    archive.finalize();
    const bytes = Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>));
    const hashed = createHash('sha256').update(bytes).digest('hex') as Sha256Hex;
    const packed = { path: '/more-files.tar', sha256: hashed, sizeBytes: bytes.length, packed: 4 };
    const task = {
      ...withOutput('/out/run1/model.bin'),
      state: 'failed' as const,
      outputs_attempt: 2,
      links: [
        { path: '/out/latest', target: 'run1' },
        { path: '/out/evil', target: '../../../..' },
        { path: '/out/latest/evil', target: 'model.bin' },
      ],
      skipped: { total: 30, first: [{ path: '/out/pipe', why: 'special' as const }] },
    };
    server
      .on(tasks, json({ items: [{ ...task, outputs: [...task.outputs, packed] }] }))
      .on(`GET /v1/artifacts/${hash}`, text('tile'))
      .on(`GET /v1/artifacts/${hashed}`, text(bytes));
    const ended = await capacloud(['get', jobId, join(folder, 'here')]);
    expect(ended.code).toBe(125);
    expect(ended.err).toContain('it failed; these outputs are what its attempt 2 left, as far as they go.');
    expect(ended.err).toContain('/out/pipe is neither a file, a folder nor a link');
    expect(ended.err).toContain('and 29 more');
    expect(ended.err).toMatch(/is no plain path; it was not written \(and 3 more\)/);
    const out = join(folder, 'here/0/out');
    expect((await readdir(out)).sort()).toEqual(['2.png', 'latest', 'run1']);
    expect(await readFile(join(out, 'latest/model.bin'), 'utf8')).toBe('tile');
    expect(await readdir(folder)).not.toContain('evil');
    expect(await readdir(join(folder, 'here/0'))).toEqual(['out']);
    // Again, over what is there.
    expect((await capacloud(['get', jobId, join(folder, 'here')])).code).toBe(125);
    expect((await readdir(out)).sort()).toEqual(['2.png', 'latest', 'run1']);
  });
});

describe('logs', () => {
  const running = [0, 1].map((index) => taskView(index, { state: 'running', attempts: 1 }));
  const logOf = (index: number) => `GET /v1/tasks/${taskIdAt(index)}/attempts/1/log`;

  test('writes the log of a task as it is', async () => {
    server.on(`GET /v1/tasks/${taskIdAt(0)}`, json(running[0])).on(logOf(0), text('Grüße\nund'));
    expect(await capacloud(['logs', taskIdAt(0)])).toMatchObject({ code: 0, out: 'Grüße\nund', err: '' });
  });

  test('says on standard error what of a long output is missing, and where', async () => {
    const line = (from: number) =>
      `[capacloud: 85 bytes of the output are missing here (offsets ${from} to 90); its beginning and its end are kept]`;
    server
      .on(`GET /v1/tasks/${taskIdAt(0)}`, json(running[0]))
      .on(logOf(0), text('beginend', 200, { 'log-gap': '5-90' }));
    const printed = await capacloud(['logs', taskIdAt(0)]);
    expect(printed).toMatchObject({ out: 'beginend', err: `${line(5)}\n` });
    server.on(
      logOf(0),
      events([
        { event: 'log', data: 'begin\n' },
        { event: 'gap', data: { from: 5 } },
        { event: 'gap', data: { from: 5, to: 90 } },
        { event: 'log', data: 'end' },
        { event: 'end', data: {} },
      ]),
    );
    const ended = await capacloud(['logs', '-f', '--attempt', '1', taskIdAt(0)]);
    expect(ended.out).toBe('begin\nend');
    expect(ended.err).toContain(line(5));
    expect(ended.err).toContain('its end follows when the attempt has ended');
  });

  test('follows all tasks of a job and says whose line it is', async () => {
    server
      .on(`GET /v1/jobs/${jobId}`, json({ ...jobView(), spec: {} }))
      .on(
        feed,
        events([
          ...running.map((data) => ({ event: 'task', data })),
          { event: 'job', data: endedJob('succeeded') },
        ]),
      );
    for (const index of [0, 1])
      server.on(
        logOf(index),
        events([
          { event: 'log', data: `a${index}\nb` },
          { event: 'end', data: {} },
        ]),
      );
    const ended = await capacloud(['logs', '-f', jobId]);
    expect(ended.code, ended.err).toBe(0);
    expect(ended.out.split('\n').sort()).toEqual(['', '   0 │ a0', '   0 │ b', '   1 │ a1', '   1 │ b']);
  });
});

test('storage shows what is stored, and rm deletes it by job or by hash', async () => {
  const sha256 = 'ab'.repeat(32);
  const item = { sha256, size_bytes: 2048, created_at: new Date().toISOString(), jobs: [jobId] };
  const page = { items: [item], used_bytes: 2048, quota_bytes: 4096 };
  server.on('GET /v1/artifacts', json(page), json(page));
  const kinds = {
    artifacts_bytes: 1024,
    logs_bytes: 512,
    jobs_bytes: 256,
    receipts_bytes: 256,
    answers_bytes: 0,
  };
  const storage = { used_bytes: 2048, quota_bytes: 4096, ...kinds };
  const account = { id: 'acc_ada', available_nano: '0', held_nano: '0', scopes: ['consumer'] };
  server.on('GET /v1/account', json({ ...account, storage }));
  const listed = await capacloud(['storage']);
  expect(listed.code, listed.err).toBe(0);
  expect(listed.out).toMatch(new RegExp(`${sha256} +2 KiB .*${jobId}`));
  expect(listed.err).toContain('2 KiB of 4 KiB are in use');
  server.on(`DELETE /v1/jobs/${jobId}/artifacts`, json({ artifacts: 1, freed_bytes: 2048 }));
  server.on(`DELETE /v1/artifacts/${sha256}`, problem('request.conflict'));
  const removed = await capacloud(['rm', jobId, sha256]);
  expect(removed.err).toContain(`${jobId}: 1 artifact deleted, 2 KiB freed`);
  expect([removed.code, removed.err]).toEqual([125, expect.stringContaining('request.conflict')]);
});

describe('login', () => {
  const account = { id: 'acc_ada', available_nano: '2500000000', held_nano: '0', scopes: ['consumer'] };

  test('keeps address and key for the owner alone, and sends the key nowhere else', async () => {
    server.on('GET /v1/account', json(account));
    const none = { CAPACLOUD_URL: '', CAPACLOUD_API_KEY: '', XDG_CONFIG_HOME: join(folder, 'xdg') };
    const login = await capacloud(['login', '--url', server.url], { env: none, stdin: `${key}\n` });
    expect(login.code, login.err).toBe(0);
    const path = join(folder, 'xdg/capacloud/config.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const balance = await capacloud(['balance'], { env: none });
    expect(balance.out).toBe('available  2.5 CAPA\nheld       0.0 CAPA\n');
    const elsewhere = await ScriptedServer.start();
    const ended = await capacloud(['whoami', '--url', elsewhere.url], { env: none });
    await elsewhere.stop();
    expect(ended.code).toBe(4);
    expect(elsewhere.seen).toEqual([]);
  });

  test('says who gives keys when there is none', async () => {
    const ended = await capacloud(['login'], { env: { CAPACLOUD_API_KEY: '' } });
    expect(ended.err).toContain('error: No API key was given. (usage)\nhint: The operator of ');
    expect(ended.err).toContain('capacloud-coordinator keys create');
    expect(ended.code).toBe(2);
  });

  test('keeps nothing that does not work', async () => {
    server.on('GET /v1/account', problem('auth.invalid'));
    expect(await capacloud(['login'])).toMatchObject({ code: 4 });
    expect(await readdir(folder)).toEqual([]);
  });
});

test("a stranger's text cannot steer the terminal", async () => {
  server.on(`GET /v1/jobs/${jobId}`, json({ ...jobView({ image: 'a\u001b[2Jb\u202e' }), spec: {} }));
  server.on(tasks, json({ items: [] }));
  const { out } = await capacloud(['status', jobId], { env: { FORCE_COLOR: '1' } });
  expect(out).toContain('a�[2Jb�');
});

test("a stranger's text is escaped in --json, and stays the same value", async () => {
  const image = 'a\u202eb\u200b\u{e0041}\u009b';
  server.on(`GET /v1/jobs/${jobId}`, json({ ...jobView({ image }), spec: {} }));
  server.on(tasks, json({ items: [] }));
  const { out } = await capacloud(['status', jobId, '--json']);
  expect(out).toContain('a\\u202eb\\u200b\\udb40\\udc41\\u009b');
  expect(out).toMatch(/^[\x20-\x7e]+\n$/);
  expect(JSON.stringify(JSON.parse(out))).toContain(image);
});

test('why of a job asks about the first task that waits, and tells what would help', async () => {
  server.on(tasks, json({ items: [taskView(1)] })).on(
    `GET /v1/tasks/${taskIdAt(1)}/why`,
    json({
      task: taskIdAt(1),
      state: 'queued',
      reason: 'price_too_low',
      message: 'Every node asks for more.',
      hint: 'Raise price.max_per_hour.',
      nodes: { total: 9, suitable: 0, free: 0 },
      obstacles: [
        { code: 'price', message: '6 of 9 nodes ask for more.', nodes: 6, alone: 6, examples: [nodeId] },
      ],
      changes: [
        {
          pointer: '/price/max_per_hour',
          to: '0.92',
          nodes: 6,
          free: 6,
          message: 'set price.max_per_hour to 0.92 USD: 6 nodes',
        },
      ],
    }),
  );
  const { out, code } = await capacloud(['why', jobId]);
  expect(code).toBe(0);
  expect(out).toContain('9 nodes: 0 would do, 0 now');
  expect(out).toMatch(/6 +6 +ask for more than the ceiling \(price\) +node_abab/);
  expect(out).toContain('set price.max_per_hour to 0.92 USD: 6 nodes');
  expect(out).not.toContain('hint');
});

test('why of a node tells its owner what keeps tasks from it', async () => {
  const why = {
    node: nodeId,
    status: 'ready',
    cause: 'connected',
    since: '2026-11-23T08:00:00.000Z',
    takes_work: true,
    message: 'It takes work, and none of the tasks that wait suits it.',
    closed_by: [],
    reliability: { attempts: 24, failed: 2, failed_in_row: 0, silences: 1, tries: 33 / 30 },
  };
  const message = 'lower the prices to 80 % of what they are: 40 tasks more';
  const queue = {
    tasks: 50,
    suitable: 0,
    free: 0,
    complete: true,
    obstacles: [{ code: 'price', message: '', tasks: 50, alone: 40 }],
    changes: [{ code: 'price', tasks: 40, message }],
  };
  server.on(`GET /v1/nodes/${nodeId}/why`, json({ ...why, queue }));
  const { out, code } = await capacloud(['why', nodeId]);
  expect(code).toBe(0);
  expect(out).toContain(
    '2 of 24 recent attempts failed by its fault, 1 silence: placement counts its price 1.10 times',
  );
  expect(out).toMatch(/50 +40 +ask for more than the ceiling \(price\)/);
  expect(out).toContain(message);
  server.on(`GET /v1/nodes/${nodeId}/why`, json(why));
  expect((await capacloud(['why', nodeId])).out).not.toContain('queue');
});

test('plan shows offers, costs and waits, and uploads nothing', async () => {
  await writeFile(join(folder, 'scene.pov'), 'scene');
  const file =
    'version: "1"\nimage: x\nreplicas: 3\ninputs: [{ source: ./scene.pov, target: /in/scene.pov }]\n';
  const offer = { providers: 1, tasks_when_free: 4, examples: [nodeId] };
  server.on(
    'POST /v1/plans',
    json({
      tasks: 3,
      resources: jobView().resources,
      currency: 'USD',
      nodes: { total: 9, suitable: 3, free: 2 },
      tasks_now: 2,
      tasks_when_free: 8,
      offers: [
        { ...offer, device_class: 'a100', rate_nano: '4200000000', rate: '0.42', nodes: 2, tasks_now: 2 },
        { ...offer, device_class: 'h100', rate_nano: '12500000000', rate: '1.25', nodes: 1, tasks_now: 0 },
      ],
      more_offers: 1,
      cost: {
        estimated_nano: '1234567890',
        estimated: '0.123456789',
        run_ms: 1000,
        basis: 'timeout',
        samples: 0,
        maximum_nano: '30000000000',
        maximum: '3',
        message: 'Each runs into its timeout.',
      },
      account: { id: 'acc_ada', available_nano: '1000000000', can_afford: false },
      wait: {
        first_ms: 0,
        all_ms: 2_100_000,
        basis: 'running_ends',
        queued_before: 0,
        message: '2 of 3 tasks could start now.',
      },
      obstacles: [],
      changes: [
        { pointer: '/resources/cpu', to: '1', nodes: 4, free: 4, message: 'set resources.cpu to 1: 4 nodes' },
      ],
    }),
  );
  const ended = await capacloud(['plan', await jobFile(file)]);
  expect(JSON.parse(server.requests('POST /v1/plans')[0]?.body.toString() ?? '')).toMatchObject({
    inputs: [],
  });
  expect(server.seen).toHaveLength(1);
  expect(ended.code, ended.err).toBe(0);
  expect(ended.out.replaceAll(/ +\n/g, '\n')).toBe(`tasks  3, each 1 CPU, 512 MiB memory, 64 MiB disk
nodes  9 nodes: 3 would do, 2 now

#  DEVICES  CAPA/H  USD/H  NODES  TASKS NOW  WHEN FREE  FOR EXAMPLE
1  a100        4.2   0.42      2          2          4  ${nodeId}
2  h100       12.5   1.25      1          0          4  ${nodeId}
and 1 more offer

cost  about 0.123 USD (1.23 CAPA), at most 3 USD (30 CAPA)
      Each runs into its timeout.
hold  not enough: 30 CAPA of 1 CAPA available
wait  the first now, the last in about 35m
      2 of 3 tasks could start now.

What would help
  set resources.cpu to 1: 4 nodes
`);
});

test('plan ends with 3 when nothing would run the job', async () => {
  server.on(
    'POST /v1/plans',
    json({
      tasks: 1,
      resources: jobView().resources,
      currency: 'CAPA',
      nodes: { total: 9, suitable: 0, free: 0 },
      tasks_now: 0,
      tasks_when_free: 0,
      offers: [],
      more_offers: 0,
      cost: { estimated_nano: '0', estimated: '0', maximum_nano: '0', maximum: '0', message: '' },
      account: { id: 'acc_ada', available_nano: '0', can_afford: true },
      wait: { message: 'No node would run such a task.' },
      obstacles: [],
      changes: [],
    }),
  );
  const file = await jobFile('version: "1"\nimage: x\n');
  expect(await capacloud(['plan', file])).toMatchObject({ code: 3, err: '' });
  expect(await capacloud(['plan', '--json', file])).toMatchObject({ code: 3, err: '' });
});

test.each([
  [['rnu'], "error: Unknown command 'rnu'. (usage)\nhint: Did you mean run?\n"],
  [['run'], "error: Missing required argument 'file'. (usage)\nhint: Add --help to see how it is used.\n"],
  [['ps', '--stat'], "error: Unknown option '--stat'. (usage)\nhint: Did you mean --state?\n"],
])('wrong usage is an error with a hint: %j', async (args, said) => {
  expect(await capacloud(args)).toEqual({ code: 2, out: '', err: said });
});

test('a page that no coordinator wrote is told as such', async () => {
  server.on('GET /v1/jobs', text('<html>', 200, { 'content-type': 'text/html; charset=utf-8' }));
  const { code, err } = await capacloud(['ps']);
  expect(err).toMatch(
    /^error: http.* answered with text\/html instead of JSON\. \(request\.invalid\)\nhint: .+\n$/,
  );
  expect(code).toBe(2);
});

test('every verb shows how it is used', async () => {
  const { out } = await capacloud(['logs', '--help']);
  expect(out).toContain('Usage: capacloud logs [options] <id>');
  expect(out).toContain('\nExamples:\n  capacloud logs render\n');
  expect(Math.max(...out.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(80);
});

describe('the market', () => {
  const open = { env: { CAPACLOUD_API_KEY: '' } };
  beforeEach(() => server.on('GET /v1/info', json({ usd_per_capa: '0.10' })));

  test('market lists what is asked, cheapest first, without a key', async () => {
    const level = { memory_gib_hour_nano: '2000000', disk_gib_hour_nano: '0', providers: 1 };
    const cpu = { ...level, cpu_hour_nano: '10000000', device_hour_nano: '0' };
    const gpu = (nano: string) => ({ ...cpu, device_hour_nano: nano });
    server.on(
      'GET /v1/market/book',
      json({
        at: '2026-01-01T00:00:00.000Z',
        classes: [
          {
            device_class: 'rtx-4090',
            unit: 'device',
            total: 9,
            free: 2,
            levels: [
              { ...gpu('4200000000'), nodes: 2, total: 8, free: 2 },
              { ...gpu('12500000000'), nodes: 1, total: 1, free: 0 },
            ],
            more_levels: 3,
          },
          {
            device_class: 'cpu',
            unit: 'slot',
            total: 16,
            free: 16,
            levels: [{ ...cpu, nodes: 1, total: 16, free: 16 }],
            more_levels: 0,
          },
        ],
        more_classes: 0,
      }),
    );
    const ended = await capacloud(['market'], open);
    expect(ended.code, ended.err).toBe(0);
    expect(ended.out).toBe(`CLASS     CAPA/H  USD/H  FREE  OF  NODES  + CPU·H  + GIB·H
rtx-4090    4.20  0.420     2   8      2     0.01    0.002
           12.50  1.250     0   1      1     0.01    0.002
cpu         0.01  0.001    16  16      1     0.01    0.002
and 3 dearer levels
`);
  });

  test('prices and trades tell what was paid', async () => {
    server
      .on(
        'GET /v1/market/prices',
        json({
          items: [
            {
              device_class: 'rtx-4090',
              bucket: 'hour',
              from: '2026-01-01T07:00:00.000Z',
              min_nano: '4000000000',
              mean_nano: '4256789012',
              max_nano: '12500000000',
              trades: 12,
              volume_ms: 5_400_000,
              charged_nano: '6385183518',
            },
          ],
        }),
      )
      .on(
        'GET /v1/market/trades',
        json({
          items: [
            {
              task: taskIdAt(0),
              attempt: 1,
              node: nodeId,
              provider: 'acc_bob',
              device_class: 'cpu',
              outcome: 'unpaid',
              reason: 'exit_nonzero',
              rate_nano: '20000000',
              unit_rate_nano: '10000000',
              charged_nano: '0',
              paid_nano: '0',
              assigned_at: '2026-01-01T00:00:00.000Z',
              ended_at: '2026-01-01T00:00:00.000Z',
            },
          ],
        }),
      );
    const prices = await capacloud(['prices', 'rtx-4090', '--by', 'hour'], open);
    expect(
      prices.out,
      prices.err,
    ).toBe(`FROM              CLASS     MIN  MEAN CAPA/H   MAX  MEAN USD/H  HOURS  TRADES
2026-01-01 07:00  rtx-4090    4         4.26  12.5       0.426    1.5      12
`);
    const trades = await capacloud(['trades'], open);
    expect(trades.out, trades.err).toMatch(
      new RegExp(`ago  cpu      0.02  exit_nonzero  ${nodeId}  ${taskIdAt(0)}\n$`),
    );
  });
});

test.each(['bash', 'zsh', 'fish'])('completion for %s knows the verbs', async (shell) => {
  const { out, code } = await capacloud(['completion', shell]);
  expect(code).toBe(0);
  for (const verb of [
    'run',
    'plan',
    'validate',
    'ps',
    'status',
    'why',
    'logs',
    'wait',
    'cancel',
    'get',
    'login',
    'nodes',
    'gpus',
    'market',
    'prices',
    'trades',
  ])
    expect(out).toMatch(new RegExp(`\\b${verb}\\b`));
});

test('gpus lists the names that a job may ask for, without a coordinator', async () => {
  const { code, out } = await capacloud(['gpus']);
  expect(code).toBe(0);
  expect(out).toMatch(/a100-80gb +nvidia +80 GiB +.*a100-sxm4-80gb/);
  const told = await capacloud(['gpus', '--json']);
  expect(JSON.parse(told.out)).toContainEqual(expect.objectContaining({ id: 'rtx-4090', aliases: ['4090'] }));
});
