import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import { hasEngine } from '@capacloud/rig/engine/real-parts';
import {
  jobOf,
  type NetworkRig,
  openNetworkRig,
  untilTold,
  writeJobFile,
} from '@capacloud/rig/network/network-rig';
import { eventsOf } from '@capacloud/rig/network/public-log';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let rig: NetworkRig;

async function balance(): Promise<{ readonly available: bigint; readonly held: bigint }> {
  const account = await rig.client.call('getAccount', { params: { account: rig.account } });
  return { available: BigInt(account.available_nano), held: BigInt(account.held_nano) };
}

async function assigned(job: JobId): Promise<number> {
  const events = eventsOf(await rig.events(), 'attempt.assigned');
  return events.filter(({ task }) => task.startsWith(`${job}.`)).length;
}

describe.skipIf(!hasEngine())('a job, from its file to its outputs', () => {
  beforeAll(async () => {
    rig = await openNetworkRig();
    await rig.addAgent('agent');
  });
  afterAll(() => rig.close());

  it('runs through the command line: inputs go up, outputs come down, and what ran is paid', async () => {
    const secret = randomBytes(100_000);
    await writeFile(join(rig.dir, 'scene.bin'), secret);
    const script =
      'echo "task $CAPACLOUD_TASK_INDEX of $CAPACLOUD_TASK_COUNT"; echo "a warning" >&2; ' +
      'mkdir /out/deep; cp /in/scene.bin /out/deep/copy.bin; echo $CAPACLOUD_TASK_INDEX > /out/index.txt; ' +
      // An engine may note the start of a container after its end when that lasts some milliseconds.
      'sleep 1';
    const file = await writeJobFile(
      rig,
      'job.yaml',
      jobOf(rig.image, script, {
        name: 'whole-path',
        replicas: 3,
        inputs: [{ source: './scene.bin', target: '/in/scene.bin' }],
        outputs: [{ path: '/out' }],
      }),
    );
    const before = await balance();
    const ran = await rig.capacloud('run', file);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const job = ran.stdout.trim() as JobId;
    expect(ran.stderr).toMatch(/whole-path succeeded: 3 tasks/);

    const logs = await rig.capacloud('logs', taskIdOf(job, 2));
    expect(logs).toMatchObject({ code: 0 });
    expect(logs.stdout).toContain('task 2 of 3\n');
    expect(logs.stdout).toContain('a warning\n');

    const got = await rig.capacloud('get', job, 'outputs');
    expect(got, got.stderr).toMatchObject({ code: 0 });
    for (const index of [0, 1, 2]) {
      const folder = join(rig.dir, 'outputs', String(index), 'out');
      expect(await readFile(join(folder, 'deep', 'copy.bin'))).toEqual(secret);
      expect(await readFile(join(folder, 'index.txt'), 'utf8')).toBe(`${index}\n`);
    }

    const view = await rig.job(job);
    const charged = BigInt(view.charged_nano);
    expect(charged).toBeGreaterThan(0n);
    expect(view.held_nano).toBe('0');
    expect(await balance()).toEqual({ available: before.available - charged, held: before.held });
    const told = await rig.capacloud('balance', '--json');
    expect(JSON.parse(told.stdout)).toMatchObject({
      available_nano: String(before.available - charged),
      held_nano: '0',
    });
    const status = await rig.capacloud('status', job);
    expect(status).toMatchObject({ code: 0 });
    expect(status.stdout).toContain('succeeded');
    expect(JSON.parse((await rig.capacloud('ps', '--json')).stdout)[0]).toMatchObject({ id: job });
    for (const { receipt, charged_nano } of await rig.attempts(taskIdOf(job, 0))) {
      expect(receipt).toMatch(/^[0-9a-f]{64}$/);
      expect(BigInt(charged_nano)).toBeGreaterThan(0n);
    }
  });

  it("shows the output of a single task and ends with the job's own exit code, reason and hint", async () => {
    const file = await writeJobFile(
      rig,
      'fails.yaml',
      jobOf(rig.image, 'echo oh; exit 7', { name: 'fails' }),
    );
    const ran = await rig.capacloud('run', file);
    expect(ran).toMatchObject({ code: 7, stdout: 'oh\n' });
    expect(ran.stderr).toContain('fails failed with exit code 7');
    const waited = await rig.capacloud('wait', 'fails');
    expect(waited).toMatchObject({ code: 7 });
    expect(waited.stderr).toContain('capacloud logs');
    const [job] = (await rig.client.call('listJobs', { query: { name: 'fails' } })).items;
    const task = `${job?.id.slice(0, 'job_'.length + 8)}/0`;
    expect(await rig.capacloud('logs', task)).toMatchObject({ code: 0, stdout: 'oh\n' });
    expect((await rig.capacloud('status', task)).stdout).toContain('exit_nonzero');
  });

  it('refuses a job file with every problem in it', async () => {
    await mkdir(join(rig.dir, 'bad'), { recursive: true });
    const file = await writeJobFile(rig, 'bad/job.yaml', {
      version: '1',
      image: rig.image,
      comand: 'true',
      resources: { memory: 'much' },
    });
    const ran = await rig.capacloud('run', file);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('(job.invalid)');
    expect(ran.stderr).toMatch(/bad\/job.yaml:1:\d+ \/comand is not a known field/);
    expect(ran.stderr).toMatch(/bad\/job.yaml:1:\d+ \/resources\/memory must/);
  });

  it('is cancelled: its containers go, its hold comes back', async () => {
    const before = await balance();
    const file = await writeJobFile(rig, 'long.yaml', jobOf(rig.image, untilTold, { replicas: 2 }));
    const ran = await rig.capacloud('run', file, '--detach');
    expect(ran).toMatchObject({ code: 0 });
    const job = ran.stdout.trim() as JobId;
    await rig.reached(job, 'running');
    expect((await balance()).held).toBeGreaterThan(before.held);
    expect(await rig.capacloud('cancel', job)).toMatchObject({ code: 0 });
    expect((await rig.capacloud('wait', job)).code).toBe(125);
    expect(await balance()).toEqual(before);
    await waitUntil('its containers to go', async () => (await rig.containers()).length === 0, {
      timeoutMs: 60_000,
    });
    const again = await rig.capacloud('cancel', job);
    expect(again.code).toBe(125);
    expect(again.stderr).toContain('job.terminal');
  });

  it('waits for what no node has, says why, and expires', async () => {
    const before = await balance();
    const gpu = await rig.submit('true', { resources: { gpu: { count: 1, vram: '80Gi' } } });
    const [waiting] = await rig.tasks(gpu.id);
    expect(waiting).toMatchObject({ state: 'queued', reason: 'no_feasible_node' });
    expect(waiting?.message).toContain('None of 1 connected nodes');
    expect(waiting?.hint).toContain('gpu');
    const poor = await rig.submit('true', { price: { max_per_hour: '0.000000002', currency: 'CAPA' } });
    const [unaffordable] = await rig.tasks(poor.id);
    expect(unaffordable).toMatchObject({ state: 'queued', reason: 'price_too_low' });
    expect(unaffordable?.hint).toContain('max_per_hour');
    for (const { id } of [gpu, poor]) await rig.client.call('cancelJob', { params: { job: id } });

    const impatient = await rig.submit('true', { resources: { cpu: 64 }, queue_timeout: '2s' });
    const [expired] = await rig.ended(impatient.id);
    expect(expired).toMatchObject({
      state: 'expired',
      reason: 'queue_timeout',
      attempts: 0,
      charged_nano: '0',
    });
    expect(expired?.message).not.toBe('');
    expect(expired?.hint).toContain('queue_timeout');
    expect(await rig.job(impatient.id)).toMatchObject({ state: 'expired', held_nano: '0' });
    expect(await balance()).toEqual(before);
  });

  it("pays for its own errors and its providers' failures out of different budgets", async () => {
    // What runs for less than a millisecond costs nothing.
    const script = `if [ $CAPACLOUD_ATTEMPT = 1 ]; then ${untilTold}; fi; [ $CAPACLOUD_ATTEMPT = 3 ] || exit 3; sleep 1`;
    const job = await rig.submit(script, {
      retry: { max_attempts: 2, provider_lost: 1, backoff: { initial: '1s', max: '1s' } },
    });
    const task = taskIdOf(job.id, 0);
    await rig.reached(job.id, 'running');
    // Somebody at the provider removes the container: no error of the job's.
    await rig.docker.getContainer(`cc-${task}-1`).remove({ force: true });
    const [ended] = await rig.ended(job.id);
    expect(ended).toMatchObject({ state: 'succeeded', attempts: 3 });
    const attempts = await rig.attempts(task);
    expect(attempts.map(({ reason }) => reason)).toEqual(['engine_lost', 'exit_nonzero', 'completed']);
    expect(attempts.map(({ charged_nano }) => charged_nano === '0')).toEqual([true, true, false]);
    const budgets = eventsOf(await rig.events(), 'attempt.ended')
      .filter((event) => event.task === task)
      .map(({ then }) => (then.kind === 'requeued' ? then.budget : then.kind));
    expect(budgets).toEqual(['provider', 'own', 'succeeded']);
  });

  it('gives up when its own budget is used up', async () => {
    const job = await rig.submit('exit 9', {
      retry: { max_attempts: 2, backoff: { initial: '1s', max: '1s' } },
    });
    const [task] = await rig.ended(job.id);
    expect(task).toMatchObject({ state: 'failed', reason: 'exit_nonzero', exit_code: 9, attempts: 2 });
    const picky = await rig.submit('exit 9', { retry: { max_attempts: 2, exit_codes: [8] } });
    expect((await rig.ended(picky.id))[0]).toMatchObject({ state: 'failed', attempts: 1 });
  });

  it('answers a submission when the job has ended, or when the wait is over', async () => {
    const quick = await rig.client.call('submitJob', {
      body: jobOf(rig.image, 'true'),
      query: { wait: 60 },
    });
    expect(quick).toMatchObject({ state: 'succeeded' });
    const slow = await rig.client.call('submitJob', {
      body: jobOf(rig.image, untilTold),
      query: { wait: 1 },
    });
    expect(['queued', 'running']).toContain(slow.state);
    await rig.reached(slow.id, 'running');
    await rig.tell(taskIdOf(slow.id, 0), 1);
    expect((await rig.ended(slow.id))[0]).toMatchObject({ state: 'succeeded' });
  });

  it('is one job, however often the same submission arrives', async () => {
    const body = jobOf(rig.image, 'true', { name: 'once' });
    const call = () =>
      rig.client.call('submitJob', { body, query: {}, idempotencyKey: 'the-same', headers: {} });
    const [first, ...others] = await Promise.all([call(), call(), call()]);
    others.push(await call());
    expect(others.map(({ id }) => id)).toEqual(others.map(() => first?.id));
    await rig.ended(first?.id as JobId);
    expect((await call()).id).toBe(first?.id);
    expect(await assigned(first?.id as JobId)).toBe(1);
    const submitted = eventsOf(await rig.events(), 'job.submitted').filter(({ job }) => job === first?.id);
    expect(submitted).toHaveLength(1);
    const other = { ...body, name: 'another' };
    await expect(
      rig.client.call('submitJob', { body: other, query: {}, idempotencyKey: 'the-same' }),
    ).rejects.toMatchObject({ code: 'idempotency.mismatch' });
  });
});
