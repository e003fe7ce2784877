import { describe, expect, it } from 'vitest';
import { readScenario } from './read-scenario.ts';

const traces: Readonly<Record<string, string>> = {
  'nodes.csv': 'sn,cpu_milli,memory_mib,gpu,model\na,64000,262144,2,P100\nb,96000,393216,8,V100M32\n',
  'tasks.csv':
    'name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time,scheduled_time\n' +
    'b,1000,1024,2,1000,V100M16|V100M32,7300,9000,8000\na,500,2048,1,460,,100,700,100\nc,1000,1024,0,0,,9000,9100,\n',
  'shapes.csv': 'cpu_milli,memory_mib,num_gpu,gpu_milli\n1000,1024,0,0\n',
  'huge.csv': 'cpu_milli,memory_mib,num_gpu,gpu_milli\n1000,1024,16,1000\n',
  'broken.csv': 'cpu_milli,memory_mib,gpu,model\n1000,lots,0,\n',
};
const read = (text: string) => readScenario(text, (path) => traces[path]);

const nodes = 'nodes: [{name: n, resources: {cpu: 4, memory: 8Gi}}]\n';
const jobs = 'jobs: [{name: j, rate: 6, runs: {exponential: 10m}}]\n';
const sound = `duration: 1h\n${nodes}${jobs}`;

function accepted(text: string) {
  const result = read(text);
  if (!result.ok) throw new Error(result.refusal.message);
  return result.value;
}

describe('refuses with a pointer and what to do', () => {
  const job = (fields: string): string => `duration: 1h\n${nodes}jobs: [{name: j, ${fields}}]\n`;
  const node = (fields: string): string => `duration: 1h\nnodes: [{name: n, ${fields}}]\n${jobs}`;
  const room = 'resources: {cpu: 4, memory: 8Gi}';
  it.each<[string, string, string]>([
    ['text that is not YAML', 'a: [', 'the scenario is not YAML'],
    ['an empty file', '', 'the scenario must hold fields'],
    ['an unknown field', `${sound}warmup: 1h\n`, '/warmup is not a known field; did you mean warm_up?'],
    [
      'an unknown field further down',
      node(`${room}, provider: 2`),
      '/nodes/0/provider is not a known field; did you mean providers?',
    ],
    ['an unknown rule', `${sound}rules: {fee: 3}\n`, '/rules/fee is not a known field'],
    ['a rule out of bounds', `${sound}rules: {fee_basis_points: 10001}\n`, '/rules/fee_basis_points must be'],
    ['a negative rate', job('rate: -1, runs: {fixed: 1m}'), '/jobs/0/rate must be a number above 0'],
    ['a class without a rate', job('runs: {fixed: 1m}'), '/jobs/0 lacks rate'],
    ['a class without runs', job('rate: 1'), '/jobs/0 lacks runs'],
    [
      'two distributions',
      job('rate: 1, runs: {fixed: 1m, exponential: 2m}'),
      '/jobs/0/runs has more than 1 entr',
    ],
    [
      'a lognormal that falls',
      job('rate: 1, runs: {lognormal: {median: 2h, p95: 1h}}'),
      '/jobs/0/runs/lognormal/p95 must not be less than the median',
    ],
    ['a duration in other words', sound.replace('1h', 'an hour'), '/duration must be a duration such as 90s'],
    [
      'a size in other words',
      node('resources: {cpu: 4, memory: much}'),
      '/nodes/0/resources/memory must be a size',
    ],
    [
      'money in other words',
      node(`${room}, ask: {cpu_hour: cheap}`),
      '/nodes/0/ask/cpu_hour must be an amount',
    ],
    [
      'what a job file refuses',
      job('rate: 1, runs: {fixed: 1m}, job: {resources: {cpu: 0}}'),
      '/jobs/0/job/resources/cpu must be a number of cores',
    ],
    [
      'two groups of one name',
      sound.replace(/nodes: \[(.*)\]/, 'nodes: [$1, $1]'),
      '/nodes/1/name is the second n',
    ],
    ['no node at all', node(`${room}, count: 0`), '/nodes hold no node'],
    [
      'work that no node could do',
      job('rate: 1, runs: {fixed: 1m}, job: {resources: {gpu: rtx-4090}}'),
      '/jobs/0 asks for resources that no node of the scenario has',
    ],
    [
      'more tasks than can be simulated',
      job('rate: 1e6, runs: {fixed: 1m}').replace('1h', '30d'),
      '/jobs make about',
    ],
    [
      'more money than there can be',
      job('rate: 1, runs: {fixed: 1m}, consumers: 100, budget: "1000000000"'),
      '/jobs are given more CAPA than there can be',
    ],
    ['a trace that is not there', node('trace: none.csv'), '/nodes/0/trace names none.csv, which is no file'],
    [
      'a trace without its columns',
      node('trace: tasks.csv'),
      '/nodes/0/trace names tasks.csv, which has no column gpu, model',
    ],
    [
      'a trace with a cell that is no number',
      node('trace: broken.csv'),
      'broken.csv, which says in line 2 that memory_mib is "lots", not a whole number',
    ],
    [
      'a price for a model that the trace has not',
      node('trace: nodes.csv, device_hour_by_model: {V100: "2"}'),
      '/nodes/0/device_hour_by_model/V100 is no model of the trace',
    ],
    [
      'a trace without times',
      job('trace: shapes.csv'),
      '/jobs/0/trace does not say when its tasks came; give rate and runs',
    ],
    [
      'a trace that fits nowhere',
      job('trace: huge.csv, rate: 1, runs: {fixed: 1m}'),
      '/jobs/0 asks for resources',
    ],
    [
      'a variant that is wrong, where the variant says so',
      `${sound}compare: [{name: more, nodes: [{name: m, ${room}}, {name: n, failure_rate: 2}]}]\n`,
      '/compare/0/nodes/1/failure_rate must be a number from 0 to 1',
    ],
    [
      'a variant that nothing fits',
      `${sound}compare: [{name: less, nodes: [{name: n, count: 0}]}]\n`,
      '/compare/0/nodes hold no node',
    ],
  ])('%s', (_, text, message) => {
    const result = read(text);
    expect(result).toMatchObject({
      ok: false,
      refusal: { code: 'config.invalid', message: expect.stringContaining(message) },
    });
  });
});

it('reads traces: nodes as offers, tasks in the order of their times, at the speed that is asked for', () => {
  const { notes, variants } = accepted(
    'duration: 1h\nnodes: [{name: n, trace: nodes.csv, share_devices: true, device_hour_by_model: {V100M32: "2"}}]\n' +
      'jobs: [{name: j, trace: tasks.csv, speed: 2}]\n',
  );
  const [variant] = variants;
  expect(variant?.nodes[0]?.offers).toMatchObject([
    { cpuMilli: 64_000, ask: { deviceHourNano: '500000000' }, devices: [{ model: 'p100' }, {}] },
    { cpuMilli: 96_000, ask: { deviceHourNano: '2000000000' } },
  ]);
  expect(variant?.jobs[0]).toMatchObject({
    arrivals: { kind: 'traced', atMs: [0, 3_600_000] },
    shapes: [
      { runMs: 600_000, terms: { resources: { devices: { count: 1, shareMilli: 460 } } } },
      { runMs: 1_000_000, terms: { resources: { devices: { count: 2, models: ['v100m16', 'v100m32'] } } } },
    ],
  });
  expect(notes).toEqual(['j: 1 of 3 rows lack times and are left out.']);
});

it('makes variants of what changes: rules one by one, groups by name, null for what goes', () => {
  const { variants } = accepted(
    `${sound.replace('8Gi}', '8Gi}, failure_rate: 0.5')}rules: {fee_basis_points: 500, lease_ms: 90000}\n` +
      'compare: [{name: other, rules: {lease_ms: 30000}, nodes: [{name: n, count: 3, failure_rate: null}]}]\n',
  );
  expect(variants).toMatchObject([
    {
      ruleset: { feeBasisPoints: 500, leaseMs: 90_000 },
      nodes: [{ offers: { length: 1 }, failureRate: 0.5 }],
    },
    { ruleset: { feeBasisPoints: 500, leaseMs: 30_000 }, nodes: [{ offers: { length: 3 }, failureRate: 0 }] },
  ]);
});

it('says when a price ceiling is below every ask, which may be what is tried', () => {
  const dear = `${sound.replace('8Gi}', '8Gi}, ask: {cpu_hour: "900"}')}`;
  expect(accepted(dear).notes).toEqual(['j: every ask is above the price ceiling of all of its tasks.']);
});
