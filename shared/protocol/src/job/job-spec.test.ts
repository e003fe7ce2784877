import { describe, expect, it } from 'vitest';
import { maxGangTasks, parseJobFile } from './job-spec.ts';

const minimal = { version: '1', image: 'busybox:1' };
const hash = 'ab'.repeat(32);

function problemsOf(input: unknown): Record<string, string> {
  const result = parseJobFile(input);
  if (result.ok) throw new Error('expected a refusal');
  return Object.fromEntries(
    (result.refusal.problems ?? []).map((problem) => [problem.pointer, problem.message]),
  );
}

function codeOf(input: unknown): string {
  const result = parseJobFile(input);
  return result.ok ? 'ok' : result.refusal.code;
}

describe('parseJobFile', () => {
  it('fills in safe defaults', () => {
    const result = parseJobFile(minimal);
    if (!result.ok) throw new Error(result.refusal.message);
    expect(result.value).toMatchObject({
      image: 'busybox:1',
      replicas: 1,
      env: {},
      resources: { cpuMilli: 1000, memoryBytes: 2 ** 30, diskBytes: 2 ** 30, shmBytes: 64 * 2 ** 20 },
      timeoutMs: 3_600_000,
      queueTimeoutMs: 86_400_000,
      stopGraceMs: 10_000,
      retry: { maxAttempts: 1, on: ['error', 'timeout', 'oom'], providerLost: 5 },
      price: { currency: 'USD' },
    });
    expect(result.value.user).toBeUndefined();
  });

  it('takes gangs that can be placed at once, and priorities', () => {
    expect(parseJobFile({ ...minimal, gang: true, replicas: 8, priority: -5 })).toMatchObject({
      value: { gang: true, replicas: 8, priority: -5 },
    });
    expect(parseJobFile({ ...minimal, gang: false, priority: 0 })).not.toHaveProperty('value.gang');
    expect(parseJobFile({ ...minimal, interruptible: true })).toMatchObject({
      value: { interruptible: true },
    });
    expect(parseJobFile({ ...minimal, interruptible: false })).not.toHaveProperty('value.interruptible');
    for (const replicas of [1, maxGangTasks + 1])
      expect(problemsOf({ ...minimal, gang: true, replicas })).toEqual({
        '/replicas': 'must be 2 to 512 for a gang',
      });
    expect(Object.keys(problemsOf({ ...minimal, priority: 101 }))).toEqual(['/priority']);
  });

  it('reads every supported field', () => {
    const result = parseJobFile({
      ...minimal,
      name: 'render',
      labels: { team: 'film' },
      'x-note': { anything: true },
      entrypoint: ['/bin/render'],
      command: 'echo hello',
      working_dir: '/out',
      user: '1000:1000',
      env: { A: 'x', B: 2, C: true },
      resources: {
        cpu: '500m',
        memory: '16Gi',
        disk: '40GB',
        shm_size: '1Gi',
        gpu: { count: 2, model: 'NVIDIA GeForce RTX 4090', vram: '24Gi', cuda: '12' },
      },
      placement: { providers: ['acc_a'], exclude_providers: [`0x${'1'.repeat(40)}`] },
      replicas: 24,
      inputs: [{ source: `artifact:${hash}`, target: '/in/scene.pov' }],
      outputs: [{ path: '/out/tile.png', max_size: '10Mi' }],
      network: { mode: 'none' },
      timeout: '10m',
      retry: {
        max_attempts: 3,
        on: ['oom'],
        exit_codes: [75],
        backoff: { initial: '2s', max: '30s' },
        provider_lost: 2,
      },
      price: { max_per_hour: '0.80', max_total: '5', currency: 'CAPA' },
    });
    if (!result.ok) throw new Error(JSON.stringify(result.refusal));
    expect(result.value).toMatchObject({
      command: ['/bin/sh', '-c', 'echo hello'],
      env: { A: 'x', B: '2', C: 'true' },
      resources: {
        cpuMilli: 500,
        memoryBytes: 16 * 2 ** 30,
        diskBytes: 40e9,
        devices: { count: 2, models: ['rtx-4090@24'], memoryBytes: 24 * 2 ** 30, cuda: '12' },
      },
      inputs: [{ sha256: hash, target: '/in/scene.pov' }],
      outputs: [{ path: '/out/tile.png', maxBytes: 10 * 2 ** 20 }],
      retry: {
        maxAttempts: 3,
        exitCodes: [75],
        backoffInitialMs: 2000,
        backoffMaxMs: 30_000,
        providerLost: 2,
      },
      price: { currency: 'CAPA', maxPerHourNano: 800_000_000n, maxTotalNano: 5_000_000_000n },
    });
  });

  it.each([
    [1, { count: 1 }],
    ['A100:2', { count: 2, models: ['a100'] }],
    ['2', { count: 2 }],
    ['4090', { count: 1, models: ['rtx-4090@24'] }],
    ['A100-80GB:2', { count: 2, models: ['a100-sxm4-80gb@80', 'a100-80gb-pcie@80', 'a100-pcie-80gb@80'] }],
    [
      { model: ['T4', 'NVIDIA T4', 'RTX 4090 Laptop GPU'] },
      { count: 1, models: ['tesla-t4@16', 't4@16', 'rtx-4090-laptop-gpu'] },
    ],
    [{ vendor: 'amd' }, { count: 1, vendor: 'amd' }],
    [{ share: 0.333 }, { count: 1, shareMilli: 333 }],
  ])('reads gpu %j', (gpu, devices) => {
    const result = parseJobFile({ ...minimal, resources: { gpu } });
    expect(result.ok && result.value.resources.devices).toEqual(devices);
  });

  it('reads GPUs in order of preference', () => {
    const read = (gpu: unknown) => {
      const result = parseJobFile({ ...minimal, resources: { gpu } });
      return result.ok ? result.value.resources : problemsOf({ ...minimal, resources: { gpu } });
    };
    expect(read(['A100:2', { model: 'RTX 4090', count: 4, vram: '20Gi' }, { share: 0.5 }])).toMatchObject({
      devices: { count: 2, models: ['a100'] },
      alternatives: [
        { count: 4, models: ['rtx-4090@24'], memoryBytes: 20 * 2 ** 30 },
        { count: 1, shareMilli: 500 },
      ],
    });
    expect(read(['A100'])).toEqual(read('A100'));
    expect(read(['A100', '0', { model: 'nvidia' }, { share: 0.5, count: 2 }])).toEqual({
      '/resources/gpu/1': 'must ask for at least one device',
      '/resources/gpu/2/model': 'must name a model, for example rtx-4090',
      '/resources/gpu/3/share': 'is of one GPU, so count must be 1',
    });
  });

  it('reads regions and constraints, as nodes spell what they say', () => {
    const result = parseJobFile({
      ...minimal,
      placement: {
        regions: ['EU-Central', 'us-east', 'eu-central'],
        constraints: [
          { key: 'tier', operator: 'in', values: ['gold', 'Silver'] },
          { key: 'arch', operator: 'not_in', values: ['ARM64'] },
          { key: 'rack.units', operator: 'gt', values: [4] },
          { key: 'spot', operator: 'not_exists' },
        ],
      },
    });
    expect(result.ok && result.value).toMatchObject({
      regions: ['eu-central', 'us-east'],
      constraints: [
        { key: 'tier', operator: 'in', values: ['gold', 'Silver'] },
        { key: 'arch', operator: 'not_in', values: ['arm64'] },
        { key: 'rack.units', operator: 'gt', values: ['4'] },
        { key: 'spot', operator: 'not_exists', values: [] },
      ],
    });
    const plain = parseJobFile({ ...minimal, placement: { constraints: [] } });
    expect(plain.ok && Object.keys(plain.value)).not.toContain('constraints');
  });

  it.each([
    ['/secrets', { secrets: ['hf'] }],
    ['/type', { type: 'service', ports: [80] }],
    ['/network/mode', { network: { mode: 'egress' } }],
    ['/resources/gpu/1/vram_total', { resources: { gpu: [{ count: 1 }, { vram_total: '80Gi' }] } }],
    ['/inputs/0/source', { inputs: [{ source: 'https://example.com/x', target: '/in/x' }] }],
    ['/verification/policy', { verification: { policy: 'redundant' } }],
    ['/outputs/0/destination', { outputs: [{ path: '/out', destination: 's3://bucket' }] }],
  ])('refuses %s as not supported yet', (pointer, part) => {
    expect(codeOf({ ...minimal, ...part })).toBe('job.unsupported');
    expect(problemsOf({ ...minimal, ...part })[pointer]).toContain('not supported yet');
  });

  it.each([
    ['/resources/memory', { resources: { memory: '16 gigs' } }],
    ['/resources/memory', { resources: { memory: '0' } }],
    ['/resources/shm_size', { resources: { shm_size: '2Gi' } }],
    ['/resources/cpu', { resources: { cpu: 0.0001 } }],
    ['/resources/gpu/share', { resources: { gpu: { share: 0.3333 } } }],
    ['/resources/gpu/share', { resources: { gpu: { share: 0.5, count: 2 } } }],
    ['/resources/gpu/share', { resources: { gpu: { share: 1 } } }],
    ['/resources/gpu', { resources: { gpu: [] } }],
    [
      '/resources/gpu/model',
      { resources: { gpu: { model: ['v100-32gb', 'v100', 'a100-80gb', 't4', 'p100'] } } },
    ],
    ['/resources/gpu', { resources: { gpu: Array.from({ length: 9 }, () => 'a100') } }],
    ['/placement/regions', { placement: { regions: [] } }],
    ['/placement/regions/0', { placement: { regions: ['eu central'] } }],
    ['/placement/constraints/0/operator', { placement: { constraints: [{ key: 'a', operator: 'like' }] } }],
    ['/placement/constraints/0/values', { placement: { constraints: [{ key: 'a', operator: 'in' }] } }],
    [
      '/placement/constraints/1/values',
      {
        placement: {
          constraints: [
            { key: 'a', operator: 'exists' },
            { key: 'a', operator: 'gt', values: ['many'] },
          ],
        },
      },
    ],
    [
      '/placement/constraints/0/values',
      { placement: { constraints: [{ key: 'a', operator: 'exists', values: ['b'] }] } },
    ],
    ['/timeout', { timeout: '1w' }],
    ['/timeout', { timeout: '400d' }],
    ['/price/max_per_hour', { price: { max_per_hour: '-1' } }],
    ['/price/max_total', { price: { max_total: '0' } }],
    ['/imagee', { imagee: 'typo' }],
    ['/inputs/0/target', { inputs: [{ source: `artifact:${hash}`, target: '/scene.pov' }] }],
    ['/inputs/0/target', { inputs: [{ source: `artifact:${hash}`, target: '/etc/passwd' }] }],
    ['/inputs/0/target', { inputs: [{ source: `artifact:${hash}`, target: '/in/../etc/x' }] }],
    ['/inputs/0/source', { inputs: [{ source: './scene.pov', target: '/in/scene.pov' }] }],
    [
      '/inputs/0/sha256',
      { inputs: [{ source: `artifact:${hash}`, sha256: 'cd'.repeat(32), target: '/in/x' }] },
    ],
    ['/outputs/0/path', { outputs: [{ path: '/' }] }],
    [
      '/outputs/0/path',
      { inputs: [{ source: `artifact:${hash}`, target: '/data/x' }], outputs: [{ path: '/data/out' }] },
    ],
    ['/outputs/1/path', { outputs: [{ path: '/out/a.txt' }, { path: '/out/a.txt' }] }],
    ['/replicas', { replicas: 0 }],
    ['/user', { user: 'root' }],
    ['/image', { image: '' }],
    ['/image', { image: 'docker://ubuntu:22.04' }],
    ['/image', { image: 'x/../../127.0.0.1:18999/latest/meta-data' }],
  ])('names %s', (pointer, part) => {
    expect(codeOf({ ...minimal, ...part })).toBe('job.invalid');
    expect(Object.keys(problemsOf({ ...minimal, ...part }))).toContain(pointer);
  });

  it.each([
    [undefined],
    [null],
    [42],
    ['text'],
    [[]],
    [{}],
    [JSON.parse('{"__proto__":{"version":"1"},"image":"x"}')],
  ])('refuses %j without throwing', (input) => {
    expect(codeOf(input)).toBe('job.invalid');
  });

  it('refuses variables that the agent would drop or overwrite, and says where they stand', () => {
    const env = { NVIDIA_VISIBLE_DEVICES: 'all', CAPACLOUD_ATTEMPT: 7, LD_LIBRARY_PATH: '/opt', A: 'b' };
    const dropped = ['/env/NVIDIA_VISIBLE_DEVICES', '/env/CAPACLOUD_ATTEMPT'];
    expect(Object.keys(problemsOf({ ...minimal, env }))).toEqual(dropped);
    const withDevices = { ...minimal, env, resources: { gpu: 1 } };
    expect(Object.keys(problemsOf(withDevices))).toEqual([...dropped, '/env/LD_LIBRARY_PATH']);
    expect(codeOf({ ...minimal, env: { LD_LIBRARY_PATH: '/opt' } })).toBe('ok');
  });

  it.each([
    ['a variable name with a space', { env: { 'A B': 'x' } }, '/env/A B'],
    ['a value that cannot become text', { env: { 'a-b': { toString: 1 } } }, '/env/a-b'],
    ['a label that is no text', { labels: { 'a\nb': 7 } }, '/labels/a\nb'],
    ['a label without a name', { labels: { '': 'x' } }, '/labels/'],
    ['NUL in the command', { command: ['echo', 'a\0b'] }, '/command/1'],
    ['NUL in a variable', { env: { A: '\0' } }, '/env/A'],
  ])('refuses %s', (_, change, pointer) => {
    expect(Object.keys(problemsOf({ ...minimal, ...change }))).toEqual([pointer]);
  });

  it('refuses a job that would not fit into the frame of its assignment', () => {
    const variables = (count: number, text: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`V${index}`, text.repeat(30_000)]));
    expect(codeOf({ ...minimal, env: variables(7, 'x') })).toBe('ok');
    expect(codeOf({ ...minimal, env: variables(8, 'x') })).toBe('job.invalid');
    // Written as six characters each.
    expect(codeOf({ ...minimal, env: variables(2, '\u0001') })).toBe('job.invalid');
  });

  it('says where a file goes on without end, and looks no further', () => {
    expect(problemsOf({ ...minimal, outputs: Array.from({ length: 300_000 }, () => ({})) })).toEqual({
      '/outputs': 'goes beyond the 10000 values that are looked at',
    });
  });
});
