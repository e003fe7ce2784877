import { Compile } from 'typebox/compile';
import type { LabelConstraint } from '../capacity/labels.ts';
import type { Resources } from '../capacity/resources.ts';
import type { AccountId, Sha256Hex } from '../ids.ts';
import { isSha256 } from '../ids.ts';
import { maxProblems } from '../input/explain.ts';
import { schemaProblems } from '../input/schema.ts';
import { UnitReader } from '../input/unit-reader.ts';
import { encodeUtf8 } from '../log/bytes.ts';
import { canonicalJson } from '../log/canonical.ts';
import type { Problem, Result } from '../result.ts';
import { accept, refuse } from '../result.ts';
import { parseCpu } from '../units.ts';
import { wireLimits } from '../wire/frames.ts';
import { parseImageReference } from './image-reference.ts';
import { checkVariables, readVariables } from './job-env.ts';
import type { JobFile } from './job-file.ts';
import { JobFileSchema } from './job-file.ts';
import { foreignField } from './job-foreign.ts';
import { readGpu } from './job-gpu.ts';
import { checkMounts } from './job-mounts.ts';
import { readPlacement } from './job-placement.ts';
import { checkProgram, readProgram } from './job-program.ts';
import { findUnsupported } from './job-unsupported.ts';
import { soundPart } from './sound-part.ts';

/** A job file with every default filled in and every unit parsed. */
export interface JobSpec {
  readonly name?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly image: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly workingDir?: string;
  readonly user?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly resources: Resources;
  readonly providers: readonly AccountId[];
  readonly excludeProviders: readonly AccountId[];
  /** Absent where the job asks for none. */
  readonly regions?: readonly string[];
  readonly constraints?: readonly LabelConstraint[];
  readonly replicas: number;
  /** All replicas start together or none does. Absent: each by itself. */
  readonly gang?: true;
  /** Cheaper where owners offer that, and stopped there when others pay in full. Absent: never. */
  readonly interruptible?: true;
  /** Among the jobs of its consumer. Absent: 0. */
  readonly priority?: number;
  readonly inputs: readonly { readonly sha256: Sha256Hex; readonly target: string }[];
  readonly outputs: readonly {
    readonly path: string;
    readonly maxBytes: number;
    /** The task succeeds without it. */
    readonly optional?: true;
  }[];
  /** A folder that is saved when a task makes way, and is there again when it goes on. */
  readonly checkpoint?: { readonly path: string; readonly maxBytes: number };
  readonly timeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly stopGraceMs: number;
  readonly retry: RetryPolicy;
  readonly price: PriceCeiling;
}

export interface RetryPolicy {
  /** Attempts that may end by the job's own error, the first included. */
  readonly maxAttempts: number;
  readonly on: readonly ('error' | 'timeout' | 'oom')[];
  /** When not empty, only these exit codes count as `error`. */
  readonly exitCodes: readonly number[];
  readonly backoffInitialMs: number;
  readonly backoffMaxMs: number;
  /** Attempts that may be lost to providers before the task fails. */
  readonly providerLost: number;
}

/** Ceilings in 10^-9 of the currency; undefined where the file says nothing. */
export interface PriceCeiling {
  readonly currency: 'USD' | 'CAPA';
  readonly maxPerHourNano?: bigint;
  readonly maxTotalNano?: bigint;
}

const checkJobFile = Compile(JobFileSchema);

/** Any value (parsed YAML or JSON) → a job spec, or every problem that it has with a pointer to each. */
export function parseJobFile(input: unknown): Result<JobSpec> {
  const unsupported = findUnsupported(input);
  const misshapen = schemaProblems(checkJobFile, input, foreignField).filter(
    (problem) => !unsupported.some(({ pointer }) => isWithin(problem.pointer, pointer)),
  );
  if (unsupported.length === 0 && misshapen.length === 0) return specFromFile(input as JobFile);
  const known = [...unsupported, ...misshapen];
  // What has its shape is read all the same, so that a person mends everything at once.
  const sound = soundPart(JobFileSchema, input, known);
  const read = sound !== undefined && checkJobFile.Check(sound) ? specFromFile(sound) : undefined;
  const others = read?.ok === false ? (read.refusal.problems ?? []) : [];
  const problems = [...known, ...others.filter((other) => isNews(other, known))].slice(0, maxProblems);
  if (problems.every((problem) => unsupported.includes(problem)))
    return refuse(
      'job.unsupported',
      `Not supported yet: ${unsupported.map((problem) => problem.pointer).join(', ')}.`,
      { problems },
    );
  return refuse('job.invalid', summary(problems), { problems });
}

function isWithin(pointer: string, outer: string): boolean {
  return pointer === outer || pointer.startsWith(`${outer}/`);
}

/** Whether a problem of the sound part says more than those that are known, and follows from none of them. */
function isNews({ pointer }: Problem, known: readonly Problem[]): boolean {
  return !known.some(
    (each) =>
      each.pointer !== '' &&
      (isWithin(pointer, each.pointer) ||
        (pointer !== '' && isWithin(each.pointer, pointer)) ||
        dependencies[pointer]?.some((field) => isWithin(each.pointer, field))),
  );
}

/** Fields that are judged by others, whose defaults stand in for what was wrong. */
const dependencies: Readonly<Record<string, readonly string[]>> = {
  '/resources/shm_size': ['/resources/memory'],
  '/replicas': ['/gang'],
};

function summary(problems: readonly Problem[]): string {
  const first = problems[0];
  if (first === undefined) return 'The job file is not valid.';
  const rest = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return `${first.pointer === '' ? 'The job file' : first.pointer} ${first.message}${rest}.`;
}

function specFromFile(file: JobFile): Result<JobSpec> {
  const read = new UnitReader();
  const resources = readResources(file.resources ?? {}, read);
  const inputs = readInputs(file.inputs ?? [], read);
  const outputs = (file.outputs ?? []).map((output, index) => ({
    path: output.path,
    maxBytes:
      output.max_size === undefined
        ? resources.diskBytes
        : read.size(`/outputs/${index}/max_size`, output.max_size),
    ...(output.optional === true ? { optional: true as const } : {}),
  }));
  const checkpoint = readCheckpoint(file.checkpoint, resources, read);
  read.problems.push(...checkMounts(inputs, outputs, checkpoint));
  const { env = {} } = file;
  const image = parseImageReference(file.image);
  if (!image.ok) read.problems.push({ pointer: '/image', message: image.refusal });
  read.problems.push(
    ...checkVariables(Object.keys(env), resources.devices !== undefined),
    ...checkProgram(file),
  );
  const spec: JobSpec = {
    ...(file.name === undefined ? {} : { name: file.name }),
    labels: file.labels ?? {},
    image: file.image,
    ...readProgram(file),
    ...(file.working_dir === undefined ? {} : { workingDir: file.working_dir }),
    ...(file.user === undefined ? {} : { user: file.user }),
    env: readVariables(env, read),
    resources,
    providers: (file.placement?.providers ?? []) as AccountId[],
    excludeProviders: (file.placement?.exclude_providers ?? []) as AccountId[],
    ...readPlacement(file.placement ?? {}, read),
    replicas: file.replicas ?? 1,
    ...(file.gang === true ? { gang: true } : {}),
    ...(file.interruptible === true ? { interruptible: true } : {}),
    ...(file.priority === undefined || file.priority === 0 ? {} : { priority: file.priority }),
    inputs,
    outputs,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    timeoutMs: read.duration('/timeout', file.timeout ?? '1h'),
    queueTimeoutMs: read.duration('/queue_timeout', file.queue_timeout ?? '1d'),
    stopGraceMs: read.duration('/stop_grace_period', file.stop_grace_period ?? '10s'),
    retry: readRetry(file.retry ?? {}, read),
    price: readPrice(file.price ?? {}, read),
  };
  if (spec.gang === true && checkpoint !== undefined)
    read.problem('/checkpoint', 'is not supported for a gang yet');
  if (spec.gang === true && (spec.replicas < 2 || spec.replicas > maxGangTasks))
    read.problem('/replicas', `must be 2 to ${maxGangTasks} for a gang`);
  if (!fitsFrame(spec))
    read.problem(
      '',
      `is larger than the ${maxSpecBytes} bytes that fit into an assignment; use an input file`,
    );
  return read.problems.length > 0
    ? refuse('job.invalid', summary(read.problems), { problems: read.problems.slice(0, maxProblems) })
    : accept(spec);
}

/** Tasks of one gang: they are placed in one decision. */
export const maxGangTasks = 512;

function readCheckpoint(
  file: JobFile['checkpoint'],
  { diskBytes }: Resources,
  read: UnitReader,
): JobSpec['checkpoint'] {
  if (file === undefined) return undefined;
  const { max_size, path } = file;
  const maxBytes = max_size === undefined ? diskBytes : read.size('/checkpoint/max_size', max_size);
  return { path: path.replace(/\/+$/, ''), maxBytes };
}

/** An assignment travels in one frame with its envelope; one that does not fit would end every session it is sent over. */
const maxSpecBytes = wireLimits.frameBytes - 32 * 1024;

function fitsFrame(spec: JobSpec): boolean {
  return (
    textLength(spec) * mostBytesPerUnit <= maxSpecBytes ||
    encodeUtf8(canonicalJson(spec)).length <= maxSpecBytes
  );
}

/** A control character is written as \u0001. */
const mostBytesPerUnit = 6;

/** UTF-16 code units of everything that is said, numbers and punctuation counted amply. */
function textLength(value: unknown): number {
  if (typeof value === 'string') return value.length + 4;
  if (typeof value !== 'object' || value === null) return 20;
  let length = 2;
  for (const [key, item] of Object.entries(value)) length += key.length + 4 + textLength(item);
  return length;
}

function readInputs(inputs: NonNullable<JobFile['inputs']>, read: UnitReader): JobSpec['inputs'] {
  return inputs.map((input, index) => {
    const sha256 = input.source.startsWith('artifact:') ? input.source.slice('artifact:'.length) : '';
    if (!isSha256(sha256)) {
      read.problem(
        `/inputs/${index}/source`,
        'must be artifact:SHA256 (upload the file first; the command line does it for paths)',
      );
    }
    if (input.sha256 !== undefined && input.sha256 !== sha256)
      read.problem(`/inputs/${index}/sha256`, 'differs from the hash in source');
    return { sha256: sha256 as Sha256Hex, target: input.target };
  });
}

function readRetry(retry: NonNullable<JobFile['retry']>, read: UnitReader): RetryPolicy {
  return {
    maxAttempts: retry.max_attempts ?? 1,
    on: retry.on ?? ['error', 'timeout', 'oom'],
    exitCodes: retry.exit_codes ?? [],
    backoffInitialMs: read.duration('/retry/backoff/initial', retry.backoff?.initial ?? '1s'),
    backoffMaxMs: read.duration('/retry/backoff/max', retry.backoff?.max ?? '1m'),
    providerLost: retry.provider_lost ?? 5,
  };
}

function readPrice(price: NonNullable<JobFile['price']>, read: UnitReader): PriceCeiling {
  return {
    currency: price.currency ?? 'USD',
    ...(price.max_per_hour === undefined
      ? {}
      : { maxPerHourNano: read.money('/price/max_per_hour', price.max_per_hour) }),
    ...(price.max_total === undefined
      ? {}
      : { maxTotalNano: read.money('/price/max_total', price.max_total) }),
  };
}

/**
 * Docker charges what lies in /dev/shm to the container's memory, so it is part of that and counted nowhere else. More than
 * all of it could not be filled: the program would be killed for want of memory.
 */
function readShm(size: string | undefined, memoryBytes: number, read: UnitReader): number {
  const pointer = '/resources/shm_size';
  const shmBytes = read.size(pointer, size ?? '64Mi');
  if (size !== undefined && shmBytes > memoryBytes)
    read.problem(pointer, 'is part of memory, so it can be no more than that: raise resources.memory');
  return shmBytes;
}

function readResources(resources: NonNullable<JobFile['resources']>, read: UnitReader): Resources {
  const cpuMilli = parseCpu(resources.cpu ?? 1);
  if (cpuMilli === undefined)
    read.problem('/resources/cpu', 'must be between 1m and 4096 cores in steps of 1m');
  // Docker refuses less than 6 MiB; saying so here is kinder than an engine error on a stranger's machine.
  const leastMemoryBytes = 6 * 2 ** 20;
  const memoryBytes = read.sizeIfRight('/resources/memory', resources.memory ?? '1Gi');
  if (memoryBytes !== undefined && memoryBytes < leastMemoryBytes)
    read.problem('/resources/memory', 'must be at least 6Mi');
  return {
    cpuMilli: cpuMilli ?? 1,
    memoryBytes: memoryBytes ?? leastMemoryBytes,
    diskBytes: read.size('/resources/disk', resources.disk ?? '1Gi'),
    shmBytes: readShm(resources.shm_size, memoryBytes ?? Infinity, read),
    ...readGpu(resources.gpu, read),
  };
}
