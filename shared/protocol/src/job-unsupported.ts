import type { Problem } from './result.ts';

/** Fields that the job language has and nothing acts on yet. `*` stands for any list index. */
const unsupportedFields: readonly string[] = [
  '/secrets',
  '/registry_auth',
  '/gang',
  '/checkpoint',
  '/ports',
  '/healthcheck',
  '/retention',
  '/notify',
  '/placement/regions',
  '/placement/min_reliability',
  '/placement/constraints',
  '/resources/gpu/vram_total',
  '/resources/gpu/interconnect',
  '/inputs/*/secret',
  '/outputs/*/destination',
  '/outputs/*/secret',
  '/network/allow',
  '/verification/replication',
  '/verification/quorum',
  '/verification/sample_rate',
  '/verification/compare',
  '/verification/tolerance',
  '/verification/outputs',
];

/** Values that the job language has and nothing acts on yet. */
const unsupportedValues: readonly { readonly pointer: string; readonly values: readonly unknown[] }[] = [
  { pointer: '/type', values: ['service'] },
  { pointer: '/network/mode', values: ['egress', 'full'] },
  { pointer: '/verification/policy', values: ['attest', 'spot_check', 'redundant'] },
  { pointer: '/inputs/*/read_only', values: [false] },
  { pointer: '/retry/on/*', values: ['verification_failed'] },
];

const notYet = 'is not supported yet: nothing would act on it';

/** Every use of something that nothing acts on yet: refused, never ignored. */
export function findUnsupported(input: unknown): Problem[] {
  const problems: Problem[] = [];
  for (const pattern of unsupportedFields)
    visit(input, pattern.split('/').slice(1), '', (pointer) => problems.push({ pointer, message: notYet }));
  for (const { pointer: pattern, values } of unsupportedValues) {
    visit(input, pattern.split('/').slice(1), '', (pointer, value) => {
      if (values.includes(value)) problems.push({ pointer, message: `${JSON.stringify(value)} ${notYet}` });
    });
  }
  if (Array.isArray(property(property(input, 'resources'), 'gpu')))
    problems.push({ pointer: '/resources/gpu', message: `a list of alternatives ${notYet}` });
  const inputs = property(input, 'inputs');
  if (Array.isArray(inputs)) {
    inputs.slice(0, 64).forEach((item, index) => {
      const source = property(item, 'source');
      const scheme =
        typeof source === 'string' ? /^(https|s3|hf|git\+https|ipfs|data):/.exec(source)?.[1] : undefined;
      if (scheme !== undefined)
        problems.push({ pointer: `/inputs/${index}/source`, message: `${scheme}: ${notYet}` });
    });
  }
  return problems;
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function visit(
  value: unknown,
  path: readonly string[],
  pointer: string,
  found: (pointer: string, value: unknown) => void,
): void {
  const [key, ...rest] = path;
  if (key === undefined) {
    if (value !== undefined) found(pointer, value);
    return;
  }
  if (key === '*') {
    if (Array.isArray(value))
      value.slice(0, 64).forEach((item, index) => visit(item, rest, `${pointer}/${index}`, found));
    return;
  }
  visit(property(value, key), rest, `${pointer}/${key}`, found);
}
