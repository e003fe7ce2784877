import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { argumentsOf, sendSignal, waitUntil } from '../programs/process-table.ts';
import { type EngineSettings, ensureDockerEngine, hasCgroups } from './docker-engine.ts';
import { stopDockerd } from './dockerd.ts';
import { pingEngine, socketFromDockerHost } from './engine-socket.ts';

const never = new AbortController().signal;
let folder: string;
let servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'capacloud-engine-'));
});
afterEach(async () => {
  await stopDockerd(settings().folders);
  for (const server of servers) server.close();
  servers = [];
  rmSync(folder, { recursive: true, force: true });
});

function serve(name: string, listener: RequestListener): Promise<string> {
  const path = join(folder, name);
  const server = createServer(listener);
  servers.push(server);
  return new Promise((resolve) => server.listen(path, () => resolve(path)));
}

const answerOk: RequestListener = (request, response) => response.end(request.url === '/_ping' ? 'OK' : 'no');

/** A program that stands where dockerd stands: it takes the same arguments, answers pings and writes its pid file. */
function fakeDockerd(onTerm: string, start = ''): string {
  const program = join(folder, 'fake-dockerd');
  const code = `#!${process.execPath}
const option = (name) => process.argv.find((arg) => arg.startsWith('--' + name + '=')).slice(name.length + 3);
const fs = require('node:fs');
fs.appendFileSync(${JSON.stringify(join(folder, 'starts'))}, process.pid + '\\n');
${start}
process.on('SIGTERM', () => { ${onTerm} });
require('node:http').createServer((request, response) => response.end('OK')).listen(option('host').slice(7), () =>
  fs.writeFileSync(option('pidfile'), String(process.pid)));
`;
  writeFileSync(program, code, { mode: 0o755 });
  return program;
}

function settings(changes: Partial<EngineSettings> = {}): EngineSettings {
  return {
    dockerHost: undefined,
    systemSocket: join(folder, 'none.sock'),
    folders: { runDir: join(folder, 'run'), dataRoot: join(folder, 'data') },
    prepareDockerd: () => Promise.reject(new Error('no engine was to be started')),
    ...changes,
  };
}

const startedPids = (): number[] =>
  readFileSync(join(folder, 'starts'), 'utf8').trim().split('\n').map(Number);

describe('a running engine', () => {
  test('the machine’s is used, and left alone', async () => {
    const systemSocket = await serve('system.sock', answerOk);
    const engine = await ensureDockerEngine(never, settings({ systemSocket }));
    await engine.stop();
    expect(engine).toMatchObject({ socketPath: systemSocket, startedByUs: false });
    expect(await pingEngine(systemSocket, never)).toBe('answers');
  });

  test('the one that DOCKER_HOST names comes first', async () => {
    const systemSocket = await serve('system.sock', answerOk);
    const named = await serve('named.sock', answerOk);
    const engine = await ensureDockerEngine(never, settings({ systemSocket, dockerHost: `unix://${named}` }));
    expect(engine.socketPath).toBe(named);
  });

  test.each(['tcp://192.0.2.1:2375', 'ssh://host', 'unix://relative'])(
    'DOCKER_HOST=%s is refused',
    async (dockerHost) => {
      await expect(ensureDockerEngine(never, settings({ dockerHost }))).rejects.toMatchObject({
        code: 'docker_host_unusable',
      });
    },
  );

  test('a silent DOCKER_HOST is refused, not replaced', async () => {
    const dockerHost = `unix://${join(folder, 'nobody.sock')}`;
    await expect(ensureDockerEngine(never, settings({ dockerHost }))).rejects.toMatchObject({
      code: 'docker_host_unusable',
      hint: expect.stringContaining('unset DOCKER_HOST'),
    });
  });

  test('no DOCKER_HOST names no socket', () => {
    expect([socketFromDockerHost(undefined), socketFromDockerHost('')]).toEqual([undefined, undefined]);
  });
});

describe('ping', () => {
  test.each<[string, RequestListener]>([
    ['an error', (_, response) => response.writeHead(500).end('OK')],
    ['another text', (_, response) => response.end('OKAY')],
    ['an endless answer', (_, response) => void response.write('x'.repeat(100_000))],
    ['no answer in time', () => {}],
  ])('%s is no engine', async (_, listener) => {
    expect(await pingEngine(await serve('odd.sock', listener), never, 300)).toBe('silent');
  });
});

describe('an engine of our own', () => {
  test('starts, is shared, and ends with its last user', async () => {
    const dockerd = fakeDockerd('process.exit(0)');
    const own = settings({ prepareDockerd: () => Promise.resolve(dockerd) });
    // Another run, alive for as long as this test: its parent process.
    const users = join(own.folders.runDir, 'users');
    mkdirSync(users, { recursive: true });
    writeFileSync(join(users, String(process.ppid)), '');
    const engine = await ensureDockerEngine(never, own);
    expect(engine.startedByUs).toBe(true);
    await engine.stop();
    expect(await pingEngine(engine.socketPath, never)).toBe('answers');
    rmSync(join(users, String(process.ppid)));
    const again = await ensureDockerEngine(never, own);
    expect(startedPids()).toHaveLength(1);
    await again.stop();
    expect(await pingEngine(engine.socketPath, never)).toBe('silent');
    expect(startedPids().map(argumentsOf)).toEqual([undefined]);
  });

  test('the mark of a run that is gone keeps no engine alive', async () => {
    const dockerd = fakeDockerd('process.exit(0)');
    const own = settings({ prepareDockerd: () => Promise.resolve(dockerd) });
    const first = await ensureDockerEngine(never, own);
    writeFileSync(join(own.folders.runDir, 'users', '999999999'), '');
    await first.stop();
    expect(startedPids().map(argumentsOf)).toEqual([undefined]);
  });

  test('one that dies at once is told with its last words', async () => {
    const dockerd = fakeDockerd(
      '',
      "console.error('failed to start daemon: Devices cgroup is not mounted'); process.exit(1);",
    );
    await expect(
      ensureDockerEngine(never, settings({ prepareDockerd: () => Promise.resolve(dockerd) })),
    ).rejects.toMatchObject({
      code: 'dockerd_failed',
      message: expect.stringContaining('Devices cgroup is not mounted'),
      hint: expect.stringContaining('cgroup'),
    });
  });

  test('an interrupted start leaves nothing behind', async () => {
    const hanging = fakeDockerd('process.exit(0)', 'setInterval(() => {}, 1000); return;');
    const interruption = new AbortController();
    const starting = ensureDockerEngine(
      interruption.signal,
      settings({ prepareDockerd: () => Promise.resolve(hanging) }),
    );
    const outcome = starting.then(
      () => 'started',
      (error: Error) => error.name,
    );
    await waitUntil(() => {
      try {
        return startedPids().length === 1;
      } catch {
        return false;
      }
    }, 10_000);
    interruption.abort();
    expect(await outcome).toBe('AbortError');
    expect(startedPids().map(argumentsOf)).toEqual([undefined]);
  });

  test('a pid file that names a stranger hits nobody', async () => {
    const { folders } = settings();
    mkdirSync(folders.runDir, { recursive: true });
    writeFileSync(join(folders.runDir, 'docker.pid'), String(process.ppid));
    await stopDockerd(folders);
    expect(argumentsOf(process.ppid)).toBeDefined();
  });

  test('what containerd leaves behind after a kill is ended, with containers that ignore SIGTERM', async () => {
    const { folders } = settings();
    const container = `require('node:child_process').spawn('/bin/sh', ['-c', 'trap "" TERM; while :; do sleep 1; done'], { stdio: 'ignore' })`;
    const shim = spawn(
      process.execPath,
      [
        '-e',
        `console.log(${container}.pid); setInterval(() => {}, 1000);`,
        '--',
        '-address',
        join(folders.runDir, 'exec', 'a.sock'),
      ],
      { argv0: 'containerd-shim-runc-v2', stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = new Promise((resolve) => shim.once('exit', (_, name) => resolve(name)));
    const containerPid = await new Promise<number>((resolve) => {
      shim.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
    });
    expect(argumentsOf(containerPid)).toBeDefined();
    await stopDockerd(folders);
    expect(await ended).toBe('SIGKILL');
    expect(argumentsOf(containerPid)).toBeUndefined();
  });
});

test('cgroups of both versions are recognised', () => {
  expect(hasCgroups(folder)).toBe(false);
  writeFileSync(join(folder, 'cgroup.controllers'), '');
  expect(hasCgroups(folder)).toBe(true);
  rmSync(join(folder, 'cgroup.controllers'));
  mkdirSync(join(folder, 'memory'));
  expect(hasCgroups(folder)).toBe(true);
});

test('a signal to a process that is gone is no error', () => {
  expect(sendSignal(999_999_999, 'SIGTERM')).toBe(false);
});
