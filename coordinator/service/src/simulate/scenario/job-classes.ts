import type { JobTerms } from '@capacloud/core/contract/command';
import { parseJobFile } from '@capacloud/protocol/job/job-spec';
import { type PriceTerms, priceOf, termsOf } from '../../api/job-terms.ts';
import type { Distribution } from '../draws.ts';
import type { Reading } from './reading.ts';
import type { Arrivals, JobClass, JobShape } from './scenario.ts';
import type { JobsFile } from './scenario-file.ts';
import type { TracedTask } from './trace-table.ts';

/** Gives the tasks of a trace, or undefined after it told the problem. */
export type TaskTraceReader = (path: string, pointer: string) => readonly TracedTask[] | undefined;

interface ClassReader {
  readonly file: JobsFile;
  readonly pointer: string;
  readonly read: Reading;
  readonly prices: PriceTerms;
  /** Of a consumer whose class gives none. */
  readonly usualBudgetNano: bigint;
  readonly note: (sentence: string) => void;
}

export function readJobClass(reader: ClassReader, readTrace: TaskTraceReader): JobClass {
  const { file, pointer, read } = reader;
  const rows = file.trace === undefined ? undefined : (readTrace(file.trace, `${pointer}/trace`) ?? []);
  const { shapes, arrivals } = rows === undefined ? listed(reader) : traced(reader, rows);
  if (file.runs === undefined && rows === undefined)
    read.problem(pointer, 'lacks runs, how long its tasks run, for example {exponential: 20m}');
  return {
    name: file.name,
    shapes,
    arrivals,
    runs: readDistribution(file.runs, `${pointer}/runs`, read),
    setup: readDistribution(file.setup, `${pointer}/setup`, read),
    failureRate: file.failure_rate ?? 0,
    consumers: file.consumers ?? 1,
    budgetNano:
      file.budget === undefined ? reader.usualBudgetNano : read.money(`${pointer}/budget`, file.budget),
  };
}

interface Course {
  readonly shapes: readonly JobShape[];
  readonly arrivals: Arrivals;
}

function listed(reader: ClassReader): Course {
  const { file, pointer, read } = reader;
  if (file.rate === undefined)
    read.problem(pointer, 'lacks rate, the mean number of jobs an hour, or a trace');
  if (file.speed !== undefined) read.problem(`${pointer}/speed`, 'is for a trace; set rate');
  const terms = termsFor(reader, undefined);
  const shapes = terms === undefined ? [] : [{ terms, runMs: undefined }];
  return { shapes, arrivals: randomArrivals(file, pointer, read) };
}

/** With a rate of its own the trace gives the shapes alone, drawn with replacement; else each task comes once, in its time. */
function traced(reader: ClassReader, rows: readonly TracedTask[]): Course {
  const { file, note, pointer, read } = reader;
  const drawn = file.rate !== undefined;
  if (drawn && file.speed !== undefined) read.problem(`${pointer}/speed`, 'is for a trace without a rate');
  const speed = file.speed ?? 1;
  const isWhole = (row: TracedTask): boolean =>
    (drawn || row.createdAtS !== undefined) && (file.runs !== undefined || row.ranS !== undefined);
  const usable = rows.filter(isWhole);
  if (rows.length > 0 && usable.length === 0) {
    const lacks = drawn ? 'how long its tasks ran; give runs' : 'when its tasks came; give rate and runs';
    read.problem(`${pointer}/trace`, `does not say ${lacks}`);
  } else if (usable.length < rows.length)
    note(`${file.name}: ${rows.length - usable.length} of ${rows.length} rows lack times and are left out.`);
  const inOrder = drawn ? usable : [...usable].sort((a, b) => (a.createdAtS ?? 0) - (b.createdAtS ?? 0));
  const shapes: JobShape[] = [];
  // Many tasks of a trace ask for the same.
  const known = new Map<string, JobTerms>();
  for (const row of inOrder) {
    const resources = resourcesOf(row);
    const key = JSON.stringify(resources);
    const terms = known.get(key) ?? termsFor(reader, resources);
    if (terms === undefined) break;
    known.set(key, terms);
    const runMs = file.runs === undefined ? (row.ranS ?? 0) * 1000 : undefined;
    shapes.push({ terms, runMs });
  }
  if (drawn) return { shapes, arrivals: randomArrivals(file, pointer, read) };
  if (file.daily !== undefined) read.problem(`${pointer}/daily`, 'needs a rate');
  const firstS = inOrder[0]?.createdAtS ?? 0;
  const atMs = inOrder.map((row) => Math.round((((row.createdAtS ?? 0) - firstS) * 1000) / speed));
  return { shapes, arrivals: { kind: 'traced', atMs } };
}

function randomArrivals(file: JobsFile, pointer: string, read: Reading): Arrivals {
  const sum = file.daily?.reduce((total, factor) => total + factor, 0) ?? 24;
  if (sum <= 0) read.problem(`${pointer}/daily`, 'must have a factor above 0');
  const daily = file.daily?.map((factor) => (factor * 24) / sum);
  return { kind: 'random', perHour: file.rate ?? 1, daily };
}

/** In the words of a job file. */
function resourcesOf({ cpuMilli, gpuMilli, gpus, memoryMib, models }: TracedTask): object {
  const gpu = {
    count: gpus,
    // With a maker a name is taken as it is, also that of a model which no class stands for.
    ...(models.length === 0 ? {} : { model: models.map((model) => `NVIDIA ${model}`) }),
    ...(gpus === 1 && gpuMilli < 1000 ? { share: gpuMilli / 1000 } : {}),
  };
  return {
    cpu: `${Math.max(1, cpuMilli)}m`,
    memory: `${Math.max(6, memoryMib)}Mi`,
    ...(gpus === 0 ? {} : { gpu }),
  };
}

/** Of the class's job file, with the resources of one traced task; undefined after the problem was told. */
function termsFor(reader: ClassReader, resources: object | undefined): JobTerms | undefined {
  const { file, pointer, prices, read } = reader;
  const { job = {} } = file;
  const own = typeof job.resources === 'object' && job.resources !== null ? job.resources : {};
  const spec = parseJobFile({
    version: '1',
    image: 'simulated',
    // Traces hold runs of weeks.
    ...(resources === undefined ? {} : { timeout: '30d' }),
    ...job,
    ...(resources === undefined ? {} : { resources: { ...own, ...resources } }),
  });
  const price = spec.ok ? priceOf(spec.value, prices) : spec;
  if (spec.ok && price.ok) return { ...termsOf(spec.value, file.name).terms, ...price.value };
  if (price.ok) return undefined;
  const { message, problems = [] } = price.refusal;
  if (problems.length === 0) read.problem(`${pointer}/job`, message);
  for (const problem of problems) read.problem(`${pointer}/job${problem.pointer}`, problem.message);
  return undefined;
}

function readDistribution(file: JobsFile['runs'], pointer: string, read: Reading): Distribution | undefined {
  if (file?.fixed !== undefined) return { kind: 'fixed', ms: read.span(`${pointer}/fixed`, file.fixed, 0) };
  if (file?.exponential !== undefined)
    return { kind: 'exponential', meanMs: read.span(`${pointer}/exponential`, file.exponential) };
  if (file?.lognormal === undefined) return undefined;
  const medianMs = read.span(`${pointer}/lognormal/median`, file.lognormal.median);
  const p95Ms = read.span(`${pointer}/lognormal/p95`, file.lognormal.p95);
  if (p95Ms < medianMs) read.problem(`${pointer}/lognormal/p95`, 'must not be less than the median');
  return { kind: 'lognormal', medianMs, p95Ms };
}
