import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import { hasEngine } from '@capacloud/rig/engine/real-parts';
import {
  type NetworkRig,
  openNetworkRig,
  runCommand,
  statusOf,
  untilTold,
} from '@capacloud/rig/network/network-rig';
import { eventsOf } from '@capacloud/rig/network/public-log';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const coordinatorMain = join(repositoryRoot, 'coordinator', 'service', 'dist', 'main.js');
const agentMain = join(repositoryRoot, 'agent', 'dist', 'main.js');
let rig: NetworkRig;

async function onlyContainer(): Promise<string> {
  const tasks = (await rig.containers()).filter(({ Labels: labels }) => labels['capacloud.role'] === 'task');
  expect(tasks).toHaveLength(1);
  return tasks[0]?.Id ?? '';
}

async function expectOneCleanRun(job: JobId, log: string): Promise<void> {
  const [task] = await rig.ended(job);
  expect(task).toMatchObject({ state: 'succeeded', attempts: 1 });
  // The end of a log may follow the end of its attempt.
  await expect.poll(() => rig.logText(taskIdOf(job, 0), 1), { timeout: 30_000, interval: 200 }).toBe(log);
}

describe.skipIf(!hasEngine())('a process that is restarted while a job runs', () => {
  beforeEach(async () => {
    rig = await openNetworkRig();
  });
  afterEach(() => rig.close());

  it('is the coordinator: it drains in order, and the job never notices', async () => {
    await rig.addAgent('agent');
    const job = await rig.submit(`echo one; ${untilTold}; echo two`);
    await rig.reached(job.id, 'running');
    const waiting = rig.client.call('submitJob', {
      body: { version: '1', image: rig.image, command: 'true', resources: { cpu: 64 } },
      query: { wait: 60 },
      idempotencyKey: 'over-the-restart',
    });
    await waitUntil(
      'the second job',
      async () => eventsOf(await rig.events(), 'job.submitted').length === 2,
      {
        timeoutMs: 60_000,
      },
    );
    expect(await rig.coordinator.process.stop()).toBe(0);
    const container = await onlyContainer();
    await rig.coordinator.start();
    // A call that was waiting got its answer, or a reason to ask again that its retry followed.
    const queued = await waiting;
    expect(queued).toMatchObject({ state: 'queued' });
    expect(await onlyContainer()).toBe(container);
    await rig.tell(taskIdOf(job.id, 0), 1);
    await expectOneCleanRun(job.id, 'one\ntwo\n');
    const statuses = eventsOf(await rig.events(), 'node.status_changed').map(({ to }) => to);
    expect(statuses.filter((to) => to === 'unknown' || to === 'lost')).toEqual([]);
  });

  it('is the coordinator, killed: what it had accepted goes on', async () => {
    await rig.addAgent('agent');
    const job = await rig.submit(`echo one; ${untilTold}; echo two`);
    await rig.reached(job.id, 'running');
    await rig.coordinator.process.kill();
    // It ends while nobody is there to hear of it.
    await rig.tell(taskIdOf(job.id, 0), 1);
    await waitUntil(
      'the container to end',
      async () => (await rig.containers()).every(({ State: state }) => state !== 'running'),
      { timeoutMs: 60_000 },
    );
    await rig.coordinator.start();
    await expectOneCleanRun(job.id, 'one\ntwo\n');
  });

  it('is the agent: its next life adopts the container that ran on', async () => {
    const agent = await rig.addAgent('agent');
    const job = await rig.submit(`echo one; ${untilTold}; echo two`);
    await rig.reached(job.id, 'running');
    const container = await onlyContainer();
    expect(await agent.process.stop()).toBe(0);
    expect(await onlyContainer()).toBe(container);
    agent.start();
    await waitUntil(
      'the agent to hold the attempt',
      async () => (await statusOf(agent).catch(() => undefined))?.attempts[0]?.phase === 'running',
      { timeoutMs: 60_000 },
    );
    expect(await onlyContainer()).toBe(container);
    await rig.tell(taskIdOf(job.id, 0), 1);
    await expectOneCleanRun(job.id, 'one\ntwo\n');
  });

  it('is the agent, killed, with a container that ends before it is back', async () => {
    const agent = await rig.addAgent('agent');
    const job = await rig.submit(`echo one; ${untilTold}; echo two`);
    await rig.reached(job.id, 'running');
    await agent.process.kill();
    await rig.tell(taskIdOf(job.id, 0), 1);
    await waitUntil(
      'the container to end',
      async () =>
        (await rig.containers()).every(
          ({ Labels: labels, State: state }) => labels['capacloud.role'] !== 'task' || state !== 'running',
        ),
      { timeoutMs: 60_000 },
    );
    agent.start();
    await expectOneCleanRun(job.id, 'one\ntwo\n');
  });
});

describe.skipIf(!hasEngine())('who may speak for a node', () => {
  beforeEach(async () => {
    rig = await openNetworkRig();
  });
  afterEach(() => rig.close());

  it('is the newer of two agents with one key; the older stands back and says so', async () => {
    const older = await rig.addAgent('older');
    const newer = await rig.addAgent('newer', { key_file: join(rig.dir, 'older', 'node.key') });
    expect((await statusOf(newer)).node).toBe((await statusOf(older)).node);
    const { session } = await waitUntil(
      'the older agent to stand back',
      async () => {
        const status = await statusOf(older);
        return status.session.state === 'superseded' ? status : undefined;
      },
      { timeoutMs: 60_000 },
    );
    expect(session.lastRefusal).toMatchObject({ code: 'session.superseded' });
    expect(session.lastRefusal?.hint).toContain('stop one of them');
    const job = await rig.submit('echo done');
    await expectOneCleanRun(job.id, 'done\n');
    expect((await statusOf(newer)).session.state).toBe('open');
    expect(await rig.nodes()).toHaveLength(1);
  });

  it('is no agent that expects another coordinator', async () => {
    const agent = await rig.startAgent('agent', { coordinator_name: 'elsewhere.test' });
    const trouble = await waitUntil(
      'the agent to refuse',
      async () => {
        const { session } = await statusOf(agent).catch(() => ({ session: undefined }));
        return session?.lastRefusal?.message ?? session?.lastError;
      },
      { timeoutMs: 60_000 },
    );
    expect(trouble).toContain('elsewhere.test');
    expect(trouble).toContain(rig.name);
    expect(await rig.nodes()).toEqual([]);
  });

  it('is one process for each folder of state', async () => {
    const agent = await rig.addAgent('agent');
    const second = await runCommand([agentMain, 'run', '--config', join(rig.dir, 'agent', 'agent.yaml')]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('capacloud-agent:');
    expect(second.stderr).toContain(agent.stateDir);
    const coordinator = await runCommand([
      coordinatorMain,
      'serve',
      '--config',
      join(rig.dir, 'coordinator.yaml'),
      '--listen',
      '127.0.0.1:0',
    ]);
    expect(coordinator.code).not.toBe(0);
    expect(coordinator.stderr).toContain('log.in_use');
    expect(coordinator.stderr).toContain('hint:');
    expect((await rig.nodes())[0]?.status).toBe('ready');
  });
});

describe('a configuration that cannot be', () => {
  const agent = { coordinator: 'ws://127.0.0.1:1', state_dir: '/tmp/x', key_file: '/tmp/x/key' };
  it.each([
    [
      'an agent with a slip',
      agentMain,
      'run',
      { ...agent, docker_sockt: '/x' },
      'did you mean docker_socket',
    ],
    ['an agent without a coordinator', agentMain, 'run', { state_dir: '/tmp/x' }, 'capacloud-agent setup'],
    [
      'an agent with too much cpu',
      agentMain,
      'run',
      { ...agent, resources: { cpu: 'many' } },
      'resources.cpu',
    ],
    ['a coordinator with a slip', coordinatorMain, 'serve', { lisen: '127.0.0.1:0' }, 'did you mean listen'],
    ['a coordinator with a bad address', coordinatorMain, 'serve', { listen: 'here' }, '/listen'],
    ['a coordinator with a bad rule', coordinatorMain, 'serve', { rules: { lease_ms: -1 } }, 'lease_ms'],
  ])('%s is refused with what to mend', async (_, main, verb, settings, words) => {
    const dir = await mkdtemp(join(tmpdir(), 'cc-config-'));
    try {
      const file = join(dir, 'config.yaml');
      // JSON is YAML.
      await writeFile(file, JSON.stringify(settings));
      const { code, stderr } = await runCommand([main, verb, '--config', file], { cwd: dir });
      expect(code).toBe(2);
      expect(stderr).toContain('config.invalid');
      expect(stderr).toContain(words);
      expect(stderr).toContain('hint:');
      expect(stderr).not.toMatch(/\n\s+at /);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
