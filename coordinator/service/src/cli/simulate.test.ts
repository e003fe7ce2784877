import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SimulationResult } from '../simulate/results.ts';
import { temporaryFolder } from '../testing/workload.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const example = fileURLToPath(new URL('../../examples/simulate/fee.yaml', import.meta.url));
const idle = fileURLToPath(new URL('../../examples/simulate/interruptible.yaml', import.meta.url));
const traced = fileURLToPath(new URL('../../examples/simulate/trace.yaml', import.meta.url));
let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  folder[Symbol.dispose]();
});

async function run(...args: readonly string[]) {
  const child = spawn(process.execPath, ['--conditions=@capacloud/source', main, 'simulate', ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (part) => (out += part));
  child.stderr.on('data', (part) => (err += part));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, err };
}

function scenario(text: string): string {
  const path = join(folder.path, 'scenario.yaml');
  writeFileSync(path, text);
  return path;
}

it('compares the two fees of the example', async () => {
  const { err, out, status } = await run(example, '--csv', join(folder.path, 'csv'));
  expect(status).toBe(0);
  expect(err).toMatch(/tasks simulated in .* tasks\/s, .* times as fast as real time/);
  const titles = ['USE', 'PRICE PAID', 'WAIT', 'TASKS', 'EARNED', 'COMPARED', 'AUDITED'];
  for (const title of titles) expect(out).toContain(`\n${title}`);
  expect(out).toMatch(/\nfees +[0-9.,]+ +[0-9.,]+ +\+[0-9.,]+ \(\+100\.0 %\)\n/);
  expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  const lines = readFileSync(join(folder.path, 'csv', 'series.csv'), 'utf8')
    .trimEnd()
    .split('\n');
  expect(lines[0]).toBe('variant,hours,figure,of,value');
  expect(lines).toContainEqual(expect.stringMatching(/^"fee of 10 %",24,fees_capa,,[0-9.]+$/));
}, 120_000);

it('shows what the discount of the example brings', async () => {
  const { out, status } = await run(idle, '--json');
  expect(status).toBe(0);
  const [plain, discounted] = (JSON.parse(out) as SimulationResult).variants;
  expect(plain?.attempts.preempted).toBeUndefined();
  expect(discounted?.attempts.preempted).toBeGreaterThan(0);
  const earned = [plain, discounted].map((variant) => Number(variant?.groups[0]?.earnedNano));
  expect(earned[1]).toBeGreaterThan(earned[0] ?? 0);
  const succeeded = [plain, discounted].map((variant) => variant?.classes[0]?.succeeded);
  expect(succeeded[1]).toBe(succeeded[0]);
}, 120_000);

it('runs the example with a trace, as JSON, and says the same each time', async () => {
  const runs = await Promise.all([
    run(traced, '--json'),
    run(traced, '--json'),
    run(traced, '--json', '--seed', '9'),
  ]);
  const [first, second, other] = runs.map(({ out }) => out);
  expect(runs.map(({ status }) => status)).toEqual([0, 0, 0]);
  expect(second).toBe(first);
  expect(other).not.toBe(first);
  const { variants } = JSON.parse(first ?? '') as SimulationResult;
  expect(variants[0]?.stateHash).toMatch(/^[0-9a-f]{64}$/);
  expect(variants[0]?.classes[0]?.succeeded).toBeGreaterThan(0);
}, 120_000);

it.each<[string, string, string]>([
  ['an unknown key', 'duration: 1h\nnode: []\n', '/node is not a known field; did you mean nodes?'],
  [
    'a negative rate',
    'duration: 1h\nnodes: [{name: n, resources: {cpu: 1, memory: 1Gi}}]\njobs: [{name: j, rate: -3}]\n',
    '/jobs/0/rate must be a number above 0',
  ],
  [
    'a trace that is not there',
    'duration: 1h\nnodes: [{name: n, trace: ../gone.csv}]\njobs: [{name: j, rate: 1, runs: {fixed: 1m}}]\n',
    '/nodes/0/trace names ../gone.csv',
  ],
])('refuses %s with what to do, and leaves no result', async (_, text, message) => {
  const csv = join(folder.path, 'csv');
  const { err, out, status } = await run(scenario(text), '--csv', csv);
  expect({ out, status }).toEqual({ out: '', status: 2 });
  expect(err).toContain(message);
  expect(err).toContain('(config.invalid)\nhint: ');
  expect(existsSync(csv)).toBe(false);
});

it('refuses a file that is not there, and a flag that it does not know', async () => {
  const runs = await Promise.all([run(join(folder.path, 'none.yaml')), run(example, '--jsn')]);
  expect(runs.map(({ status }) => status)).toEqual([2, 2]);
  expect(runs[0]?.err).toContain('none.yaml that can be read');
  expect(runs[1]?.err).toContain('--json');
});
