import { describe, expect, it } from 'vitest';
import { parseJobFile } from './job-spec.ts';

const minimal = { version: '1', image: 'busybox:1' };

function told(part: object): readonly string[] {
  const result = parseJobFile({ ...minimal, ...part });
  return result.ok
    ? []
    : (result.refusal.problems ?? []).map(({ pointer, message }) => `${pointer} ${message}`);
}

describe('a job file that is refused says what would be right', () => {
  it.each<[object, string]>([
    [
      { timeout: '1.5h' },
      '/timeout must be a duration in whole units, such as 90s, 30m, 1h30m or 7d; write 90m',
    ],
    [{ timeout: '2 hours' }, 'write 2h'],
    [{ timeout: '01:30:00' }, 'write 90m'],
    [{ timeout: '1h 30m 5s' }, 'write 5405s'],
    [{ version: '“1”' }, '/version must be "1"; put straight quotes (") around it'],
    [{ '\u00a0\u00a0cpu': 1 }, 'holds the character U+00A0, which is not seen; write plain spaces'],
    [{ outputs: [{ path: '/' }] }, 'must name a folder below /, such as /out'],
    [{ outputs: [{ path: '/tmp/x' }] }, 'may not be below /tmp, which every container has of its own'],
    [{ timeout: 'PT1H30M' }, 'write 90m'],
    [{ timeout: '1-12:00:00' }, 'write 36h'],
    [{ timeout: 'forever' }, 'the longest is 30d'],
    [{ timeout: '60 days' }, 'the longest is 30d'],
    [{ timeout: '500ms' }, 'the shortest is 1s'],
    [{ timeout: 0 }, 'the shortest is 1s'],
    [{ timeout: 1.5 }, '7d; a duration has a unit'],
    [{ resources: { memory: '16' } }, 'has no unit, so 16 is 16 bytes; write 16Mi or 16Gi'],
    [{ resources: { disk: '10' } }, '/resources/disk has no unit'],
    [{ resources: { gpu: { vram: '80' } } }, '/resources/gpu/vram has no unit'],
    [{ outputs: [{ path: '/out', max_size: '10' }] }, '/outputs/0/max_size has no unit'],
    [
      { resources: { gpu: { type: 'h100' } } },
      '/resources/gpu/type is not a known field; did you mean model?',
    ],
    [{ resources: { gpu: { memory: '24Gi' } } }, 'did you mean vram?'],
    [{ resources: { type: 'x' } }, 'did you mean type at the top of the file?'],
    [{ inputs: [{ source: 'x' }] }, '/inputs/0 lacks target; target must be an absolute path, such as /out'],
    [{ timeout: 90 }, 'a duration has a unit: write 90s or 90m'],
    [{ resources: { memory: '16g' } }, 'write 16Gi (or 16G, which is a little less)'],
    [{ resources: { memory: '512 megabytes' } }, 'write 512Mi (or 512M, which is a little less)'],
    [{ resources: { memory: 16 } }, 'a size has a unit: write 16Mi or 16Gi'],
    [{ resources: { cpu: '2 cores' } }, 'write 2, without quotes'],
    [
      { price: 0.5 },
      '/price must be a map with the fields max_per_hour, max_total, currency; write price: { max_per_hour: "0.5" }',
    ],
    [{ price: { max_per_hour: '$0,50' } }, 'write "0.50"'],
    [{ price: { max_per_hour: '1e-3 usd' } }, 'write "0.001", and currency: USD beside it'],
    [{ price: { currency: 'usd' } }, 'must be one of USD, CAPA; write USD'],
    [{ user: 'root' }, 'write "0", which needs a node whose owner allows root'],
    [{ name: 'My Job!' }, 'write my-job'],
    [{ gang: 'yes' }, 'must be true or false; write true'],
    [{ replicas: '3' }, 'write 3 without quotes'],
    [{ retry: 3 }, 'write retry: { max_attempts: 3 }'],
    [{ network: 'host' }, 'write network: { mode: none }'],
    [{ checkpoint: '/state' }, 'write checkpoint: { path: /state }'],
    [{ outputs: ['/out'] }, 'write { path: /out }'],
    [{ outputs: '/out' }, 'must be a list; write [/out]'],
    [{ outputs: [{ path: './out' }] }, 'must be an absolute path, such as /out; write /out'],
    [{ inputs: ['./data.bin:/in/data.bin:ro'] }, 'write { source: ./data.bin, target: /in/data.bin }'],
    [{ placement: { regions: 'eu' } }, 'write [eu]'],
    [{ command: ['a', 1.1] }, '/command/1 must be text; put quotes around it'],
    [{ env: ['A=1'] }, 'write a name and a value each: env: { NAME: value }'],
    [{ env: { A: null } }, '/env/A has no value: write "" for an empty value, or remove it'],
    [{ env: { 'my-var': '1' } }, 'write my_var, if the program takes that'],
    [{ env: { 'spring.datasource.url': '1' } }, 'write SPRING_DATASOURCE_URL, if the program takes that'],
    [{ env: { ID: 2 ** 53 } }, 'beyond 9007199254740991'],
    [
      { labels: { v: 1.1 } },
      '/labels/v must be text in one line without control characters or others that nobody sees; put quotes around it',
    ],
    [{ image: 'Ubuntu:22.04' }, '/image must have its repository in lower case; write ubuntu:22.04'],
    [
      { outputs: [{ path: '/out/*.png' }] },
      'wildcards are not expanded; name the folder /out, all of which is kept',
    ],
    [{ outputs: [{ path: '/out/{a,b}/c' }] }, 'name the folder /out, all of which is kept'],
    [{ checkpoint: { path: '/s?' } }, 'name a folder such as /out'],
  ])('%j', (part, words) => {
    expect(told(part).join('\n')).toContain(words);
  });

  it.each<[object, string]>([
    [{ cpus: 2 }, '/cpus is not a known field; did you mean resources.cpu?'],
    [{ memory: '2Gi' }, '/memory is not a field here; did you mean resources.memory?'],
    [{ environment: {} }, '/environment is not a known field; did you mean env?'],
    [{ volumes: [] }, '/volumes has nothing like it: name files to bring in under inputs'],
    [{ gpus: 'all' }, 'did you mean resources.gpu?'],
    [{ args: [] }, 'did you mean command?'],
    [{ resources: { limits: { cpu: 1 } } }, 'what resources ask for is also the limit'],
    [{ resources: { cpus: 1 } }, '/resources/cpus is not a known field; did you mean cpu?'],
    [{ maxAttempts: 3 }, 'did you mean retry.max_attempts?'],
    [{ workingDir: '/x' }, 'did you mean working_dir?'],
    [{ apiVersion: 'v1' }, 'belongs to Kubernetes'],
    [{ services: {} }, 'belongs to Compose'],
    [{ jobs: {} }, 'belongs to a pipeline'],
    [{ comand: 'x' }, 'is not a known field; did you mean command?'],
  ])('%j', (part, words) => {
    expect(told(part).join('\n')).toContain(words);
  });
});

describe('names of GPUs', () => {
  const told = (gpu: unknown) => {
    const result = parseJobFile({ ...minimal, resources: { gpu } });
    return result.ok ? result.value.resources.devices?.models : result.refusal.problems?.[0]?.message;
  };
  it.each([
    ['rtx4900', 'did you mean rtx-4090?'],
    ['h1000', 'did you mean h100?'],
    [['a100', { model: 'b201' }], 'did you mean b200?'],
    ['unicorn', '`capacloud gpus` lists the names'],
    ['unicorn', 'NVIDIA RTX 5000 Ada Generation'],
    ['NVIDIA GeForce RTX 4900', 'did you mean rtx-4090?'],
    ['all', 'write 1, or for example rtx-4090:2'],
    ['any', 'write 1 for one of any model'],
    ['nvidia', 'must name a model, for example rtx-4090'],
    ['h100x8', 'write h100:8'],
    ['8x h100', 'write h100:8'],
    ['2 * a100', 'write a100:2'],
    [{ model: 'h100:2' }, 'write h100:2, or count beside model'],
    ['h100 or a100', 'write a list, [h100, a100]'],
    ['h100,a100', 'write a list, [h100, a100]'],
    ['>=24GB', 'write { vram: 24Gi }'],
    ['50%', 'write { share: 0.5 }'],
    [0.5, 'write { share: 0.5 } for a part of one GPU'],
    [-1, 'write the number that each task needs'],
    ['1080 ti', 'did you mean gtx-1080-ti?'],
    [4090, 'write rtx-4090 if that is the model'],
    [true, 'write 1 for one GPU of any model'],
  ])('%j is refused', (gpu, words) => {
    expect(told(gpu)).toContain(words);
  });
  it.each([
    ['RTX 4090', ['rtx-4090@24']],
    ['rtx 4090 : 2', ['rtx-4090@24']],
    ['a100', ['a100']],
    ['NVIDIA H100 80GB HBM3', ['h100-80gb-hbm3']],
    ['rtx-4070-laptop-gpu', ['rtx-4070-laptop-gpu']],
    ['GeForce GTX 1080 Ti', ['gtx-1080-ti']],
    ['NVIDIA Something 9000', ['something-9000']],
  ])('%j is taken', (gpu, models) => {
    expect(told(gpu)).toEqual(models);
  });
});

describe('everything that is wrong with a file', () => {
  it('is told at once: unknown, misshapen, of a wrong unit and not supported', () => {
    const part = {
      type: 'service',
      ports: [80],
      foo: 1,
      timeout: '1.5h',
      queue_timeout: '90d',
      outputs: [{ path: '/out/*.png' }],
      resources: { memory: '1Mi', cpu: 'x' },
      env: { NVIDIA_VISIBLE_DEVICES: 'all' },
    };
    expect(told(part).map((text) => text.split(' ', 1)[0])).toEqual([
      '/ports',
      '/type',
      '/foo',
      '/timeout',
      '/resources/cpu',
      '/resources/memory',
      '/outputs/0/path',
      '/env/NVIDIA_VISIBLE_DEVICES',
      '/queue_timeout',
    ]);
    expect(parseJobFile({ ...minimal, ...part })).toMatchObject({ refusal: { code: 'job.invalid' } });
    expect(parseJobFile({ ...minimal, ports: [80] })).toMatchObject({ refusal: { code: 'job.unsupported' } });
  });

  it('is found in little time in paths that are nothing but the beginnings of patterns', () => {
    const path = `/${'{,'.repeat(500)}`;
    expect(told({ outputs: Array.from({ length: 60 }, () => ({ path })) }).length).toBeGreaterThan(0);
  });

  it('is told of items of a list beside one that is of the wrong shape', () => {
    const part = {
      inputs: [7, { source: 'x', target: '/in/x' }],
      outputs: [{ path: 'out' }, { path: '/out', max_size: '1.0001K' }],
      resources: { gpu: [7, { model: 'rtx4900' }] },
    };
    expect(told(part).map((text) => text.split(' ', 1)[0])).toEqual([
      '/inputs/0',
      '/outputs/0/path',
      '/resources/gpu/0',
      '/resources/gpu/1/model',
      '/inputs/1/source',
      '/outputs/1/max_size',
    ]);
  });

  it('is at most twenty things, however many names are wrong', () => {
    const model = Array.from({ length: 16 }, (_, index) => `zz-${index}-qqqq`);
    expect(
      told({ resources: { gpu: Array.from({ length: 8 }, (_, index) => ({ count: index + 1, model })) } }),
    ).toHaveLength(20);
  });

  it('is not told of what follows from something else that is wrong', () => {
    expect(told({ resources: { memory: '4x', shm_size: '2Gi' } })).toHaveLength(1);
    expect(told({ resources: { memory: '0.5', shm_size: '2Gi' } })).toHaveLength(1);
    // Quotes would not make these right.
    expect(told({ timeout: true })[0]).not.toContain('quotes');
    expect(told({ resources: { memory: 1e30 } })[0]).not.toContain('quotes');
    expect(told({ gang: true, replicas: '4' })).toHaveLength(1);
  });
});
