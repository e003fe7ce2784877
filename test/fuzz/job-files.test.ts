import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFrame } from '@capacloud/agent/session/frame-reader';
import { CommandError } from '@capacloud/client/cli/command-error';
import { readJobDocument } from '@capacloud/client/cli/job-document';
import { priceOf, termsOf } from '@capacloud/coordinator/api/job-terms';
import { AssignmentWriter } from '@capacloud/coordinator/gateway/assignment-writer';
import type { Placement } from '@capacloud/coordinator/gateway/placements';
import { JobSpecs } from '@capacloud/coordinator/job-specs';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import { alternativesOf } from '@capacloud/protocol/capacity/resources';
import { ResourcesSchema } from '@capacloud/protocol/capacity/resources-schema';
import { isErrorCode } from '@capacloud/protocol/catalogue/errors';
import { jobIdFrom, taskIdOf } from '@capacloud/protocol/ids';
import { JobFileSchema } from '@capacloud/protocol/job/job-file';
import { type JobSpec, parseJobFile } from '@capacloud/protocol/job/job-spec';
import { wireLimits } from '@capacloud/protocol/wire/frames';
import { keptOutputsProtocol } from '@capacloud/protocol/wire/protocol-versions';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { holds } from './fuzz-run.ts';
import { oddKeys, oddValue, spoiled, torn } from './odd-values.ts';
import { valuesOf } from './schema-values.ts';

const jobFiles = valuesOf(JobFileSchema);
/** As people write them: of those that are drawn from the schema alone, nearly all have a path or a unit that is none. */
const plainFiles = fc.record(
  {
    version: fc.constant('1'),
    image: fc.constantFrom('busybox', `registry.example:5000/a/b@sha256:${'00'.repeat(32)}`),
    command: fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.array(
        fc.string({ unit: 'binary-ascii' }).map((text) => text.replaceAll('\0', '')),
        { minLength: 1, maxLength: 5 },
      ),
    ),
    env: fc.dictionary(
      fc.constantFrom('A', '_b', '__proto__', 'toString'),
      fc.oneof(fc.string(), fc.integer(), fc.boolean()),
    ),
    resources: fc.record(
      {
        cpu: fc.oneof(fc.integer({ min: 1, max: 4096 }), fc.constantFrom('500m', 0.001)),
        memory: fc.constantFrom('6Mi', '1Gi', '1024Ti'),
        gpu: fc.oneof(
          fc.integer({ min: 0, max: 64 }),
          fc.constantFrom('2', '0', '64', 'a100:2', 'NVIDIA-A100'),
          fc.constant({ count: 64, vram: '0.5Ki', model: ['NVIDIA RTX 4090', 'é4'] }),
          fc.constant(['a100:2', { share: 0.5 }, { count: 64, vram: '0.5Ki' }]),
        ),
      },
      { requiredKeys: [] },
    ),
    outputs: fc.uniqueArray(fc.record({ path: fc.constantFrom('/out', '/out/a.png', '/out/é/') }), {
      selector: ({ path }) => path,
      maxLength: 3,
    }),
    checkpoint: fc.record(
      {
        path: fc.constantFrom('/state', '/state/', '/out/state', '/in'),
        max_size: fc.constantFrom('1Ki', '9Ti'),
      },
      { requiredKeys: ['path'] },
    ),
    inputs: fc.array(
      fc.record({
        source: fc.constant(`artifact:${'ab'.repeat(32)}`),
        target: fc.constantFrom('/in/a', '/in/b.x'),
      }),
      { maxLength: 1 },
    ),
    user: fc.constantFrom('0', '0:0', '1000:1000', '9999999999'),
    price: fc.record(
      { max_per_hour: fc.constantFrom('0.000000001', '1', '99'), currency: fc.constantFrom('USD', 'CAPA') },
      { requiredKeys: [] },
    ),
    timeout: fc.constantFrom('1s', '30d', '90s'),
  },
  { requiredKeys: ['version', 'image'] },
);
/** What is nearly right, in the places that have rules of their own. */
const nearFiles = fc.record(
  {
    version: fc.constant('1'),
    image: fc.constant('busybox'),
    command: fc.string({ unit: 'binary', maxLength: 30 }),
    env: fc.dictionary(
      fc.constantFrom('A', 'LD_PRELOAD', 'NVIDIA_X', 'CAPACLOUD_ATTEMPT', 'a b'),
      fc.string({ unit: 'binary' }),
      { maxKeys: 2 },
    ),
    resources: fc.record(
      {
        cpu: fc.constantFrom(0, 5000, '0m', '9999999999999m', 1),
        memory: fc.constantFrom('1025Ti', '0.5Ki', '5Mi', '9999999999999999999', '1Gi'),
        gpu: fc.oneof(
          fc.constantFrom(-1, 65, '65', 'a100:0', 'a100:65', 'nvidia', '-', 1),
          fc.jsonValue({ maxDepth: 2 }),
        ),
      },
      { requiredKeys: [] },
    ),
    outputs: fc.array(
      fc.record({
        path: fc.constantFrom('/out', '/out/', '/', '//', '/tmp/x', '/out/..', '/o\u0000', '/in/x'),
      }),
      { maxLength: 3 },
    ),
    checkpoint: fc.record(
      { path: fc.constantFrom('/', '/etc', '/out', 'x', '/a/../b'), interval: fc.constant('10m') },
      { requiredKeys: [] },
    ),
    inputs: fc.array(
      fc.record({
        source: fc.constant(`artifact:${'ab'.repeat(32)}`),
        target: fc.constantFrom('/in/a', '/a', '/etc/x', '/in/./x'),
      }),
      { maxLength: 3 },
    ),
    price: fc.constantFrom(
      { max_per_hour: '0' },
      { max_per_hour: '999999999999' },
      { max_total: '0.000000001' },
    ),
    timeout: fc.constantFrom('31d', '0s', '999999999999999d'),
  },
  { requiredKeys: ['version', 'image'] },
);

const job = jobIdFrom(new Uint8Array(20));
const task = taskIdOf(job, 0);

/** The assign frame that an agent would be sent, through the coordinator's own writer and the agent's own reader. */
async function expectAssignable(spec: JobSpec): Promise<void> {
  const price = priceOf(spec, { usdPerCapa: '0.10', defaultMaxRateNano: 1_000_000n });
  if (!price.ok) {
    expect(price.refusal.code).toBe('job.invalid');
    return;
  }
  const { specText } = termsOf(spec, 'salt');
  const store = { getJobSpec: () => Promise.resolve({ spec: specText, salt: 'salt' }) };
  const writer = new AssignmentWriter(
    new JobSpecs(store),
    {
      get: () => Promise.resolve(undefined),
      checkpointOf: () =>
        Promise.resolve({ task, attempt: 1, sha256: 'a'.repeat(64) as never, sizeBytes: 2 ** 50 }),
    },
    () => defaultRuleset,
    { secret: 'secret', maxFileBytes: 2 ** 50 },
  );
  expect(await writer.load(job)).toBe(true);
  for (const [alternative, resources] of alternativesOf(spec.resources).entries()) {
    const devices = Array.from({ length: resources.devices?.count ?? 0 }, (_, index) =>
      `GPU-${index}`.padEnd(96, 'x'),
    );
    const placement = { job, task, attempt: 2, devices, alternative, nonce: '' } as unknown as Placement;
    await writer.loadCheckpoint(placement);
    const text = writer.write(placement, keptOutputsProtocol);
    const frame = `{"type":"assign","seq":1,"ack":0,"assignments":[${text}]}`;
    const read = readFrame(frame);
    expect(read.ok ? [] : read.refusal).toEqual([]);
    expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(wireLimits.frameBytes);
  }
}

async function expectReadable(input: unknown): Promise<boolean> {
  const result = parseJobFile(input);
  if (!result.ok) {
    expect(isErrorCode(result.refusal.code)).toBe(true);
    expect(result.refusal.problems?.length).toBeGreaterThan(0);
    return false;
  }
  expect(Value.Check(ResourcesSchema, result.value.resources)).toBe(true);
  await expectAssignable(result.value);
  return true;
}

test('a job that is taken can be assigned; every other one is refused with a code and its places', async () => {
  const seen = { taken: 0, refused: 0 };
  await holds(
    fc.oneof(plainFiles, nearFiles, jobFiles, spoiled(plainFiles), spoiled(jobFiles), oddValue),
    1000,
    async (input) => {
      seen[(await expectReadable(input)) ? 'taken' : 'refused'] += 1;
    },
  );
  // Neither side is reached by chance alone.
  expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(100);
});

test('lists and texts without end are refused, quickly and without a throw', async () => {
  const million = 300_000;
  const inputs: unknown[] = [
    { version: '1', image: 'x', command: Array.from({ length: million }, () => 'x') },
    { version: '1', image: 'x'.repeat(million) },
    {
      version: '1',
      image: 'x',
      env: Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`V${index}`, 'x'])),
    },
    { version: '1', image: 'x', outputs: Array.from({ length: million }, () => ({})) },
    { version: '1', image: 'x', resources: { memory: '9'.repeat(million) } },
    Array.from({ length: million }, () => ({})),
  ];
  for (const input of inputs) expect(await expectReadable(input)).toBe(false);
});

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'capacloud-fuzz-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Reads the text as `capacloud run FILE` does, up to the point where it would be sent. */
async function readFile(
  text: string | Uint8Array,
  assignments: readonly string[] = [],
): Promise<'taken' | 'refused'> {
  const file = join(dir, 'job.yaml');
  await writeFile(file, text);
  try {
    const document = await readJobDocument(file, assignments);
    const result = parseJobFile(document.value);
    if (result.ok) return 'taken';
    for (const problem of document.place(result.refusal.problems ?? [])) expect(problem.message).not.toBe('');
    return 'refused';
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return 'refused';
  }
}

const laughs = ['a: &a ["x","x","x","x","x","x","x","x","x"]'];
for (let i = 1; i < 12; i++) {
  const [own, last] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
  laughs.push(`${own}: &${own} [${Array.from({ length: 9 }, () => `*${last}`).join(',')}]`);
}
const head = 'version: "1"\nimage: busybox\n';

test.each([
  ['an alias that is used', `${head}x-a: &a [true]\ncommand: *a\n`, 'taken'],
  ['a billion laughs', `${laughs.join('\n')}\n${head}`, 'refused'],
  ['an alias of itself', `${head}x-a: &a [*a]\n`, 'refused'],
  ['an alias of nothing', `${head}name: *gone\n`, 'refused'],
  ['a merge key', `x-base: &base {image: busybox}\nversion: "1"\n<<: *base\n`, 'taken'],
  ['a key twice', `${head}image: other\n`, 'refused'],
  ['tabs', `${head}resources:\n\tcpu: 1\n`, 'refused'],
  ['a tag of another language', `${head}x-a: !!js/function "return 1"\n`, 'refused'],
  ['a tag that asks for a class', `${head}command: !!python/object/apply:os.system ["id"]\n`, 'refused'],
  ['bytes as a command', `${head}command: !!binary aGVsbG8=\n`, 'refused'],
  ['a set', `${head}env: !!set {A, B}\n`, 'refused'],
  ['an ordered map', `${head}env: !!omap [A: x]\n`, 'refused'],
  ['a date', `${head}name: 2020-01-01\n`, 'taken'],
  ['not a number', `${head}resources: {cpu: .nan}\n`, 'refused'],
  ['infinity', `${head}resources: {cpu: .inf}\n`, 'refused'],
  ['a number without end', `${head}resources: {cpu: 1e400}\n`, 'refused'],
  ['a large whole number', `${head}replicas: 99999999999999999999999\n`, 'refused'],
  ['an octal version', `version: 01\nimage: x\n`, 'refused'],
  ['a version that is a number', `version: 1\nimage: x\n`, 'taken'],
  ['a byte-order mark', `\ufeff${head}`, 'taken'],
  ['two documents', `${head}---\n${head}`, 'refused'],
  ['a document that ends', `${head}...\n`, 'taken'],
  ['nothing', '', 'refused'],
  ['a comment', '# nothing\n', 'refused'],
  ['a prototype', `${head}__proto__: {name: x}\n`, 'refused'],
  ['a constructor', `${head}env: {constructor: x, toString: y}\n`, 'taken'],
  ['depth', `${head}x-a: ${'['.repeat(3000)}${']'.repeat(3000)}\n`, 'refused'],
  [
    'depth by indent',
    `${head}x-a:\n${Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i + 1)}a:`).join('\n')}\n`,
    'refused',
  ],
  ['NUL', `${head}command: "a\\0b"\n`, 'refused'],
  ['half of a pair', `${head}command: "\\ud800"\n`, 'refused'],
  ['a key that is a list', `${head}? [a]\n: b\n`, 'refused'],
])('a job file with %s', async (_, text, expected) => {
  expect(await readFile(text)).toBe(expected);
});

test('a job file that is not UTF-8 is refused or read, never thrown over', async () => {
  const bytes = Buffer.from(`${head}command: hello\n`);
  for (const wrong of [[0xff, 0xfe], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0x00]])
    expect(await readFile(Buffer.concat([bytes, Buffer.from(wrong), bytes]))).toBe('refused');
});

const example = `${head}name: render\ncommand: [sh, -c, "echo hi"]\nenv: {A: "1", B: true}\nresources:\n  cpu: 500m\n  memory: 1Gi\nreplicas: 3\noutputs:\n  - path: /out/a.png\n    max_size: 10Mi\nretry: {max_attempts: 2, on: [error]}\nprice: {max_per_hour: "1", currency: CAPA}\n`;

test('a torn job file is taken or refused with a code', async () => {
  await holds(fc.oneof(torn(fc.constant(example)), torn(torn(fc.constant(example)))), 400, async (text) => {
    await readFile(text);
  });
  const paths = fc.oneof(
    fc.constantFrom(
      'resources.memory',
      'env.A',
      'outputs.0.path',
      '/outputs/0/path',
      'replicas',
      'a.b.c',
      '..',
      '/',
      '',
    ),
    fc.constantFrom(...oddKeys),
  );
  const values = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('2Gi', '*a', '&a x', '!!js x', '[', '{', '"', '1e400', '.nan'),
  );
  await holds(fc.tuple(paths, values), 400, async ([path, value]) => {
    await readFile(example, [`${path}=${value}`]);
  });
});
