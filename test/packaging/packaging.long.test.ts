import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentStatus } from '@capacloud/agent/host/status-text';
import type { Client } from '@capacloud/client/client';
import type { AccountId } from '@capacloud/protocol/ids';
import { hasEngine, hasPart } from '@capacloud/rig/engine/real-parts';
import { ensureBusyboxImage } from '@capacloud/rig/images/engine-images';
import { buildServiceImage } from '@capacloud/rig/images/service-image';
import { waitForNodes } from '@capacloud/rig/network/local-network';
import { jobOf, runCommand } from '@capacloud/rig/network/network-rig';
import { readEntries } from '@capacloud/rig/network/public-log';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPackages } from '../../scripts/build-packages.ts';
import { ComposeProject, canBuildImages, findCompose, type Service } from './compose-project.ts';

const socketPath = process.env['CAPACLOUD_DOCKER_SOCKET'];
const compose = hasEngine() ? await findCompose() : undefined;
const canBuild = hasPart(
  'a program for compose, or for images',
  compose !== undefined && (await canBuildImages()),
);
const cliMain = join(repositoryRoot, 'shared', 'client', 'dist', 'cli', 'main.js');
const services = ['coordinator', 'agent'] as const;
const account = 'acc_tester' as AccountId;
/** A first build installs every package; later ones find them in the engine's cache. */
const buildTimeoutMs = 900_000;

describe.skipIf(!canBuild)('the images, as compose.yaml runs them', () => {
  const signal = new AbortController().signal;
  let project: ComposeProject;
  let image: string;
  let url: string;
  let operator: Client;
  let secret: string;

  beforeAll(async () => {
    if (socketPath === undefined || compose === undefined) throw new Error('no engine');
    const cacheDir = join(repositoryRoot, '.cache', 'images');
    const log = (line: string): void => void process.stderr.write(`${line}\n`);
    for (const name of services) await buildServiceImage({ name, docker: socketPath, cacheDir, log, signal });
    await buildPackages(signal);
    image = await ensureBusyboxImage(new Docker({ socketPath }));
    project = await ComposeProject.create(compose, socketPath);
    await start();
  }, buildTimeoutMs);

  afterAll(() => project?.close());

  async function start(): Promise<void> {
    await project.compose('up', '--detach', '--no-build');
    await project.waitForHealth('coordinator', 'healthy');
    ({ url, client: operator } = await project.operator());
  }

  async function nodeOf(): Promise<string> {
    await project.waitForHealth('agent', 'healthy');
    const status = await project.exec('agent', 'capacloud-agent', 'status', '--json');
    return (JSON.parse(status) as AgentStatus).node;
  }

  /** Runs the command line on this machine, as a consumer would. */
  async function capacloud(...args: readonly string[]) {
    const env = { ...process.env, CAPACLOUD_URL: url, CAPACLOUD_API_KEY: secret, NO_COLOR: '1' };
    return await runCommand([cliMain, ...args], { cwd: project.dir, env });
  }

  async function runJob(script: string): Promise<string> {
    const file = join(project.dir, 'job.yaml');
    await writeFile(file, JSON.stringify(jobOf(image, script, { outputs: [{ path: '/out/said.txt' }] })));
    const ran = await capacloud('--json', 'run', '--detach', file);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const { id } = JSON.parse(ran.stdout) as { readonly id: string };
    const waited = await capacloud('wait', id);
    expect(waited, waited.stderr).toMatchObject({ code: 0 });
    return id;
  }

  async function outputOf(job: string, folder: string): Promise<string> {
    const got = await capacloud('get', job, folder);
    expect(got, got.stderr).toMatchObject({ code: 0 });
    return await readFile(join(project.dir, folder, '0', 'out', 'said.txt'), 'utf8');
  }

  it.each(services)('the %s can write to its volume only, and has no rights to give', async (service) => {
    const { Config: config, HostConfig: host } = await project.inspect(service);
    expect(config.User).toBe('10001:10001');
    expect(host).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'], Privileged: false });
    expect(host.SecurityOpt).toContain('no-new-privileges:true');
    await expect(project.exec(service, 'touch', '/app/new')).rejects.toThrow('Read-only file system');
    const status = await project.exec(service, 'cat', '/proc/1/status');
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Uid:\t10001\t/m);
  });

  it('runs a job of a consumer on the agent in its container', async () => {
    await operator.call('createAccount', { body: { id: account } });
    await operator.call('creditAccount', { params: { account }, body: { amount_nano: '1000000000000' } });
    const body = { name: 'packaging', account, scopes: ['consumer' as const] };
    secret = (await operator.call('createKey', { body })).secret ?? '';
    await waitForNodes(operator, 1, { timeoutMs: 120_000 });
    const job = await runJob('mkdir -p /out; echo made in a container > /out/said.txt');
    expect(await outputOf(job, 'first')).toBe('made in a container\n');
    const { items } = await operator.call('listNodes', { query: { limit: 10 } });
    expect(items.map(({ id }) => id)).toEqual([await nodeOf()]);
  });

  it('tells that the agent hangs, and that it is back', async () => {
    await nodeOf();
    const agent = await project.container('agent');
    await agent.kill({ signal: 'SIGSTOP' });
    await project.waitForHealth('agent', 'unhealthy');
    await agent.kill({ signal: 'SIGCONT' });
    await project.waitForHealth('agent', 'healthy');
  });

  it('ends on SIGTERM by itself, and comes back with the same node and the same log', async () => {
    const node = await nodeOf();
    const job = await runJob('mkdir -p /out; echo kept > /out/said.txt');
    const before = await readEntries(operator);
    const ids = await Promise.all(services.map(async (service) => (await project.inspect(service)).Id));
    await project.compose('stop', '--timeout', '60');
    for (const service of services)
      expect((await project.inspect(service)).State, service).toMatchObject({
        ExitCode: 0,
        OOMKilled: false,
      });
    await project.compose('down', '--timeout', '60');
    await start();
    const idOf = async (service: Service): Promise<string> => (await project.inspect(service)).Id;
    for (const [index, service] of services.entries()) expect(await idOf(service)).not.toBe(ids[index]);
    expect(await nodeOf()).toBe(node);
    expect((await readEntries(operator)).slice(0, before.length)).toEqual(before);
    expect(await outputOf(job, 'again')).toBe('kept\n');
    await waitForNodes(operator, 1, { timeoutMs: 120_000 });
    expect(await outputOf(await runJob('mkdir -p /out; echo anew > /out/said.txt'), 'anew')).toBe('anew\n');
  });
});
