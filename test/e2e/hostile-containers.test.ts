import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskView } from '@capacloud/protocol/routes/views';
import { hasEngine } from '@capacloud/rig/engine/real-parts';
import { HeartbeatWatch } from '@capacloud/rig/network/heartbeat-watch';
import type { LocalAgent } from '@capacloud/rig/network/local-network';
import { type NetworkRig, openNetworkRig } from '@capacloud/rig/network/network-rig';
import { eventsOf } from '@capacloud/rig/network/public-log';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const mebibyte = 2 ** 20;
const leaseMs = 60_000;
/** The agent beats three times in this. */
const unknownAfterMs = 9000;

let rig: NetworkRig;
let agent: LocalAgent;
let watch: HeartbeatWatch;

async function open(): Promise<void> {
  rig = await openNetworkRig({ rules: { unknown_after_ms: unknownAfterMs, lease_ms: leaseMs } });
  agent = await rig.addAgent('agent');
  watch = new HeartbeatWatch(agent, leaseMs);
}

/** Whatever the containers did, the coordinator heard the node in time. */
async function close(): Promise<void> {
  await watch.stop();
  const events = await rig.events();
  await rig.close();
  expect(watch.samples).toBeGreaterThan(10);
  expect(watch.longestSilenceMs).toBeLessThan(2 * unknownAfterMs);
  const causes = eventsOf(events, 'node.status_changed').map(({ to, cause }) => [to, cause]);
  expect(causes.filter(([to]) => to === 'unknown' || to === 'lost')).toEqual([]);
}

/** The end of the only task of a job, as the REST API shows it, its words included. */
async function endOf(script: string, change = {}): Promise<TaskView> {
  const job = await rig.submit(script, change);
  const [task] = await rig.ended(job.id);
  if (task === undefined) throw new Error('a job without tasks');
  expect(task.message).not.toBe('');
  expect(task.hint).not.toBe('');
  const attempts = await rig.attempts(task.id);
  expect(attempts.at(-1)?.reason).toBe(task.reason);
  return task;
}

/** Until the node holds nothing: the container is gone and its resources are free. */
async function untilClean(): Promise<void> {
  await waitUntil('the node to be clean', async () => (await rig.containers()).length === 0, {
    timeoutMs: 60_000,
  });
  await waitUntil('the node to be free', async () => (await rig.nodes())[0]?.used.slots === 0, {
    timeoutMs: 60_000,
  });
}

describe.skipIf(!hasEngine())('a hostile container', () => {
  beforeAll(() => open());
  afterAll(() => close());

  it('whose child was killed for memory, and which exits with 0, has not succeeded', async () => {
    const hog = 'sh -c "x=aaaaaaaaaaaaaaaa; while true; do x=\\$x\\$x; done"; echo survived; exit 0';
    const task = await endOf(hog);
    expect(task).toMatchObject({ state: 'failed', reason: 'oom_killed', exit_code: 0, charged_nano: '0' });
    expect(await rig.logText(task.id, 1)).toContain('survived');
  });

  it('that forks without end hits its own limit and nothing else', async () => {
    const bomb = 'while :; do sleep 600 & done';
    const task = await endOf(bomb, { resources: { cpu: 1, memory: '768Mi', disk: '8Mi' } });
    expect(task).toMatchObject({ state: 'failed', reason: 'pids_exhausted' });
    await untilClean();
  });

  it('that fills its disk sees a full disk', async () => {
    const task = await endOf('dd if=/dev/zero of=/out/big.bin bs=64k; exit 4', {
      outputs: [{ path: '/out/big.bin' }],
    });
    expect(task).toMatchObject({ state: 'failed', reason: 'disk_full', exit_code: 4 });
    expect(await rig.logText(task.id, 1)).toContain('No space left on device');
  });

  it('that fills every other place where it may write harms only itself', async () => {
    const places = 'for p in / /tmp /dev/shm /run /var; do dd if=/dev/zero of=$p/big bs=64k; done; exit 5';
    const task = await endOf(places, {
      resources: { cpu: 0.25, memory: '128Mi', disk: '8Mi', shm_size: '1Mi' },
    });
    expect(task.state).toBe('failed');
    expect(['exit_nonzero', 'oom_killed']).toContain(task.reason);
    await untilClean();
  });

  it('that writes six times as much log leaves its beginning and its end, 16 MiB in all', async () => {
    const line = 'x'.repeat(8191);
    const { DockerRootDir: root } = (await rig.docker.info()) as { DockerRootDir: string };
    const job = await rig.submit(`yes ${line} | head -c ${96 * mebibyte}; echo the end; exit 6`, {
      resources: { cpu: 1, memory: '32Mi', disk: '8Mi' },
    });
    let peakBytes = 0;
    const ended = rig.ended(job.id);
    const sampler = new AbortController();
    const sampling = (async () => {
      while (!sampler.signal.aborted) {
        for (const { Id: id } of await rig.containers())
          peakBytes = Math.max(peakBytes, await bytesUnder(join(root, 'containers', id)));
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    const [task] = await ended;
    sampler.abort();
    await sampling;
    if (task === undefined) throw new Error('a job without tasks');
    expect(task).toMatchObject({ state: 'failed', reason: 'exit_nonzero', exit_code: 6 });
    expect(task.hint).not.toBe('');
    // The engine keeps a few files of bounded size, the agent what it sends.
    expect(peakBytes).toBeLessThan(128 * mebibyte);
    expect(await bytesUnder(agent.stateDir)).toBeLessThan(64 * mebibyte);
    const log = await waitUntil(
      'the whole log',
      async () => {
        const text = await rig.logText(task.id, 1);
        return text.endsWith('the end\n') ? text : undefined;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
    expect(log.startsWith(line)).toBe(true);
    expect(log.length).toBe(16 * mebibyte);
    const { receipt } = await rig.client.call('getReceipt', { params: { task: task.id, attempt: 1 } });
    const sizeBytes = 96 * mebibyte + 'the end\n'.length;
    const gap = { from: 4 * mebibyte, to: sizeBytes - 12 * mebibyte };
    expect(receipt.log).toEqual({ sizeBytes, truncated: true, gap });
  });

  it('that ignores TERM is killed when its time is over', async () => {
    const task = await endOf('trap "" TERM; while true; do sleep 1; done', {
      timeout: '3s',
      stop_grace_period: '1s',
    });
    expect(task).toMatchObject({ state: 'failed', reason: 'run_timeout' });
    await untilClean();
  });

  it('that ignores TERM is killed when its job is cancelled', async () => {
    const job = await rig.submit('trap "" TERM; while true; do sleep 1; done', { stop_grace_period: '1s' });
    await rig.reached(job.id, 'running');
    const cancelled = await rig.client.call('cancelJob', { params: { job: job.id } });
    expect(cancelled.state).toBe('cancelled');
    const [task] = await rig.ended(job.id);
    expect(task).toMatchObject({ state: 'cancelled', reason: 'cancelled', charged_nano: '0' });
    expect(task?.message).not.toBe('');
    expect(task?.hint).not.toBe('');
    await untilClean();
  });
});

async function bytesUnder(folder: string): Promise<number> {
  let bytes = 0;
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  for (const entry of entries) {
    const found = await stat(join(folder, entry)).catch(() => undefined);
    if (found?.isFile() === true) bytes += found.size;
  }
  return bytes;
}
