import type { Problem } from '../result.ts';

/** Fields that the job language has and nothing acts on yet. `*` stands for any list index. */
const unsupportedFields: readonly string[] = [
  '/secrets',
  '/registry_auth',
  '/checkpoint/interval',
  '/ports',
  '/healthcheck',
  '/retention',
  '/notify',
  '/placement/min_reliability',
  '/resources/gpu/vram_total',
  '/resources/gpu/interconnect',
  '/resources/gpu/*/vram_total',
  '/resources/gpu/*/interconnect',
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

/** The pointers as a tree, so that an input is walked once and only where one of them leads. */
interface Branch {
  readonly children: Map<string, Branch>;
  isRefused: boolean;
  values: readonly unknown[];
}

const root = newBranch();
for (const pointer of unsupportedFields) branchAt(pointer).isRefused = true;
for (const { pointer, values } of unsupportedValues) branchAt(pointer).values = values;

function newBranch(): Branch {
  return { children: new Map(), isRefused: false, values: [] };
}

function branchAt(pointer: string): Branch {
  let branch = root;
  for (const key of pointer.split('/').slice(1)) {
    let next = branch.children.get(key);
    if (next === undefined) branch.children.set(key, (next = newBranch()));
    branch = next;
  }
  return branch;
}

/** Every use of something that nothing acts on yet: refused, never ignored. */
export function findUnsupported(input: unknown): Problem[] {
  const problems: Problem[] = [];
  visit(input, root, '', problems);
  const inputs = property(input, 'inputs');
  if (Array.isArray(inputs)) {
    inputs.slice(0, maxItems).forEach((item, index) => {
      const source = property(item, 'source');
      const scheme =
        typeof source === 'string' ? /^(https|s3|hf|git\+https|ipfs|data):/.exec(source)?.[1] : undefined;
      if (scheme !== undefined)
        problems.push({ pointer: `/inputs/${index}/source`, message: `${scheme}: ${notYet}` });
    });
  }
  return problems;
}

/** Of a list, so many are looked at. */
const maxItems = 64;

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function visit(value: unknown, branch: Branch, pointer: string, problems: Problem[]): void {
  if (value === undefined) return;
  if (branch.isRefused) problems.push({ pointer, message: notYet });
  else if (branch.values.includes(value))
    problems.push({ pointer, message: `${JSON.stringify(value)} ${notYet}` });
  if (typeof value !== 'object' || value === null) return;
  for (const [key, next] of branch.children) {
    if (key !== '*') visit(property(value, key), next, `${pointer}/${key}`, problems);
    else if (Array.isArray(value)) {
      const items: readonly unknown[] = value.slice(0, maxItems);
      items.forEach((item, index) => {
        visit(item, next, `${pointer}/${index}`, problems);
      });
    }
  }
}
