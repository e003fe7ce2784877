import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnections } from '@capacloud/transfer/connections';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { examEngine } from '../container/engine-exam.ts';
import type { EngineFacts } from '../core/engine-facts.ts';
import { meetCoordinator } from '../session/meeting.ts';
import { judgeMeeting } from './checks/coordinator-checks.ts';
import { judgeEngine } from './checks/engine-checks.ts';
import type { DoctorParts, Finding } from './checks/finding.ts';
import { judgeConfinement } from './checks/flaw-checks.ts';
import { judgeRoom } from './checks/room.ts';
import { judgeUids } from './checks/uid-checks.ts';
import { resolveConfig } from './config.ts';
import { examine } from './doctor.ts';
import { findingText } from './finding-text.ts';

let dir: string;
let servers: Server[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-doctor-'));
});
afterEach(() => {
  for (const server of servers) server.closeAllConnections();
  for (const server of servers) server.close();
  servers = [];
  rmSync(dir, { recursive: true });
});

async function listen(server: Server, at: number | string): Promise<Server> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(at, resolve));
  return server;
}

const docker: EngineFacts = {
  product: 'Docker',
  version: '28.1.0',
  runtimes: ['runc'],
  osType: 'linux',
  storageDriver: 'overlay2',
  rootDir: '/',
  cgroupVersion: '2',
  missingLimits: [],
  seccomp: 'default',
  runc: '1.3.3',
  defaultRuntime: 'runc',
};
const gpu = { id: 'GPU-1', model: 'rtx-4090', health: 'healthy' } as const;

function partsOf(change: Partial<DoctorParts> = {}, coordinator = 'ws://127.0.0.1:9'): DoctorParts {
  const config = resolveConfig({ file: undefined, env: {}, flags: { coordinator, state_dir: dir } });
  if (!config.ok) throw new Error(config.refusal.message);
  return {
    config: config.value,
    engine: { facts: () => Promise.resolve(docker), tryGpus: () => Promise.resolve(undefined) },
    findScratch: () =>
      Promise.resolve({ kind: 'loop', loopWorks: true, offeredBytes: 2 ** 30, programBytes: 2 ** 30 }),
    findDevices: () => Promise.resolve({ devices: [], leftOut: [], command: 'nvidia-smi' }),
    hasDriver: () => Promise.resolve(false),
    silentRegistries: () => Promise.resolve([]),
    meetCoordinator: () => Promise.resolve({ coordinator: 'c', nowMs: Date.now(), protocol: 3 }),
    proxy: undefined,
    ...change,
  };
}

function red(findings: readonly Finding[]): readonly string[] {
  return findings.filter(({ ok }) => !ok).map(({ id }) => id);
}

/** An engine on a socket that answers as given, by the end of the path. */
async function engineWith(answers: Readonly<Record<string, readonly [number, object]>>): Promise<string> {
  const socket = join(dir, `engine-${servers.length}.sock`);
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const [, answer] = Object.entries(answers).find(([end]) => path.endsWith(end)) ?? [];
    const [status, body] = answer ?? [404, { message: `no ${path}` }];
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(status === 204 ? undefined : JSON.stringify(body));
  });
  await listen(server, socket);
  return socket;
}

test('a machine without GPUs is well, and all checks but the key are green', async () => {
  expect(red(await examine(partsOf()))).toEqual(['key']);
});

test.each<[string, Partial<EngineFacts>, string]>([
  ['Podman', { product: 'Podman', version: '28.0.0' }, 'engine'],
  ['an engine that is too old', { version: '19.03.1' }, 'engine'],
  ['an engine of Windows containers', { osType: 'windows' }, 'engine'],
  ['limits that are not enforced', { missingLimits: ['memory'] }, 'limits'],
])('%s is red', (_, facts, id) => {
  expect(red(judgeEngine({ ...docker, ...facts }, 'x'))).toEqual([id]);
});

test.each<[string, Partial<EngineFacts>, readonly string[], readonly string[]]>([
  ['a kernel without filters', { seccomp: undefined }, [], ['seccomp']],
  ['filters that are switched off', { seccomp: 'unconfined' }, [], ['seccomp']],
  ['a runc that lets containers out', { runc: '1.1.11' }, [], ['runc_flaws']],
  ['one of 2025, built by its makers', { runc: '1.2.7' }, [], ['runc_flaws']],
  ['such a one, whatever its owner accepts', { runc: '1.1.11' }, ['CVE-2024-21626'], ['runc_flaws']],
  ['a build of a distribution without the mend', { runc: '1.1.5+ds1-1' }, [], ['runc_flaws']],
  ['the same, where its owner looked it up', { runc: '1.1.5+ds1-1' }, ['CVE-2024-21626'], []],
  ['a build with the mend', { runc: '1.1.5+ds1-1+deb12u1' }, [], []],
  ['a runc that tells no version', { runc: undefined }, [], []],
  ['another runtime than runc', { runc: '1.0.0', defaultRuntime: 'runsc' }, [], []],
  ['an engine with known flaws', { version: '20.10.9' }, [], ['docker_flaws']],
])('%s: judged', (_, facts, accepted, ids) => {
  expect(red(judgeConfinement({ ...docker, ...facts }, accepted))).toEqual(ids);
});

test('what may be mended is a warning, and says where to look', () => {
  const found = judgeConfinement({ ...docker, runc: '1.1.5+ds1-1+deb12u1' }, []);
  expect(found.find(({ id }) => id === 'runc_flaws')).toMatchObject({
    isWarning: true,
    is: expect.stringContaining('CVE-2025-31133') as string,
    mend: expect.stringContaining('1.2.8') as string,
  });
});

test.each([
  ['root:x:0:0:::\n', 'dockremap:100000:65536\n', []],
  ['root:x:0:0:::\nme:x:70100:70100:::\n', '', ['task_uids']],
  ['', 'dockremap:4000:66001\n', ['task_uids']],
  ['', 'dockremap:4000:66000\nother:72048:65536\n', []],
])('user ids of tasks are their own (%j, %j)', (passwd, subuid, ids) => {
  expect(red([judgeUids({ first: 70_000, last: 72_047 }, passwd, subuid)])).toEqual(ids);
});

test('vfs and a disk that is nearly full are warnings, a full one is red', () => {
  const [, , storage] = judgeEngine({ ...docker, storageDriver: 'vfs' }, 'x');
  expect(storage).toMatchObject({ ok: true, isWarning: true });
  expect(storage === undefined ? '' : findingText(storage)).toMatch(
    /^warn storage: .*\n.*\n {5}to mend it: /,
  );
  let totalBytes = 2 ** 32;
  const room = (freeBytes: number, freeInodes: number, inodes = 1e6) =>
    judgeRoom(['disk', 'inodes'], { totalBytes, freeBytes, inodes, freeInodes }, 'mend').map(
      ({ ok, isWarning }) => (ok ? ((isWarning ?? false) ? 'warn' : 'ok') : 'red'),
    );
  expect(room(2 ** 40, 1e6)).toEqual(['ok', 'ok']);
  expect(room(2 ** 30, 30_000)).toEqual(['warn', 'warn']);
  expect(room(2 ** 20, 10)).toEqual(['red', 'red']);
  expect(room(2 ** 40, 0, 0)).toEqual(['ok', 'ok']);
  // On a large disk work stops well before the end, and the owner hears of it before that.
  totalBytes = 2 ** 40;
  expect(room(3 * 2 ** 30, 1e6)).toEqual(['warn', 'ok']);
  expect(room(2 ** 31 - 1, 1e6)).toEqual(['red', 'ok']);
});

test('what an engine says of itself is read, Podman by its components', async () => {
  const info = { ServerVersion: '5.4.0', Architecture: 'x86_64', MemoryLimit: true, CpuCfsQuota: true };
  const socketPath = await engineWith({
    '/info': [200, { ...info, OSType: 'linux', CgroupVersion: '2', Driver: 'overlay' }],
    '/version': [200, { Version: '5.4.0', Components: [{ Name: 'Podman Engine', Version: '5.4.0' }] }],
  });
  expect(await examEngine(socketPath).facts(AbortSignal.timeout(10_000))).toMatchObject({
    product: 'Podman',
    version: '5.4.0',
    missingLimits: ['processes'],
    rootDir: undefined,
  });
});

test('GPUs that containers do not get are red, and those in quarantine are not tried', async () => {
  const tried: string[] = [];
  const parts = partsOf({
    engine: {
      facts: () => Promise.resolve(docker),
      tryGpus: (devices) => {
        tried.push(...devices);
        return Promise.resolve('could not select device driver "" with capabilities: [[gpu]]');
      },
    },
    findDevices: () =>
      Promise.resolve({
        devices: [gpu, { ...gpu, id: 'GPU-2', health: 'quarantined' }],
        leftOut: [{ what: 'slice 1', why: 'it has no UUID' }],
        command: '/opt/bin/nvidia-smi',
      }),
  });
  const findings = await examine(parts);
  expect(red(findings)).toEqual(['key', 'gpu_containers']);
  expect(findings.find(({ id }) => id === 'gpu_left_out')).toMatchObject({ ok: true, isWarning: true });
  expect(tried).toEqual(['GPU-1']);
});

test('GPUs are told of also where the engine does not answer', async () => {
  const found = { devices: [gpu], leftOut: [], command: '/usr/bin/nvidia-smi' };
  const none = () => Promise.reject(new Error('no engine'));
  const engine = { facts: none, tryGpus: none };
  const findings = await examine(partsOf({ engine, findDevices: () => Promise.resolve(found) }));
  expect(red(findings)).toEqual(['engine', 'key', 'gpu_containers']);
  expect(findings.find(({ id }) => id === 'nvidia')).toMatchObject({ ok: true });
});

test('a driver that is loaded and finds no GPU is red', async () => {
  expect(red(await examine(partsOf({ hasDriver: () => Promise.resolve(true) })))).toContain('nvidia');
});

test('a check that hangs is red, and holds nothing up', async () => {
  const parts = partsOf({ findScratch: () => new Promise(() => {}) });
  const findings = await examine(parts, AbortSignal.any([]), 300);
  expect(findings.find(({ id }) => id === 'scratch')).toMatchObject({
    ok: false,
    is: 'the check was not done in 0.3 s',
  });
  const ending = new AbortController();
  const examining = examine(parts, ending.signal);
  ending.abort(new Error('the agent ends'));
  expect(red(await examining)).toContain('scratch');
});

test('a coordinator that answers HTTP and opens no WebSocket is red', async () => {
  const server = await listen(
    createServer((_, response) => response.end('{"status":"ok"}')),
    0,
  );
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}/v1/session`;
  const agent = createConnections({ env: {} }).agentFor(url);
  const parts = partsOf({ meetCoordinator: (signal) => meetCoordinator(url, agent, signal) }, url);
  const found = (await examine(parts)).find(({ id }) => id === 'coordinator');
  expect(found).toMatchObject({ ok: false, is: 'Unexpected server response: 200' });
  expect(found?.mend).toContain('reverse proxy');
});

test('a clock that is off, another name and an unknown protocol are red', () => {
  const met = { coordinator: 'c', nowMs: 1_000_000, protocol: 3 };
  expect(red(judgeMeeting(met, 'c', 'x', 1_000_000))).toEqual([]);
  expect(red(judgeMeeting(met, 'c', 'x', 1_070_000))).toEqual(['clock']);
  expect(red(judgeMeeting(met, 'd', 'x', 1_000_000))).toEqual(['coordinator']);
  expect(red(judgeMeeting({ ...met, protocol: undefined }, 'c', 'x', 1_000_000))).toEqual(['coordinator']);
});

test('registries that are silent, and the permission for all of them, are told and close no node', async () => {
  const found = async (registries: string, silent: readonly { registry: string; why: string }[]) => {
    const parts = partsOf({ silentRegistries: () => Promise.resolve(silent) });
    const config = { ...parts.config, registries: [registries] };
    return (await examine({ ...parts, config })).filter(({ id }) => id === 'registries');
  };
  expect(await found('default', [])).toMatchObject([{ ok: true, is: 'default' }]);
  expect(await found('*', [])).toMatchObject([
    { ok: true, isWarning: true, is: 'any public registry is allowed' },
  ]);
  const away = { registry: 'registry.lan', why: 'registry.lan cannot be reached' };
  expect(await found('registry.lan', [away])).toMatchObject([
    { ok: true, isWarning: true, is: 'registry.lan: registry.lan cannot be reached' },
  ]);
});
