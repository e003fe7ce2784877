import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JobTerms } from '@capacloud/core/contract/command';
import { type AccountId, type JobId, jobIdFrom } from '@capacloud/protocol/ids';
import type { JobFile } from '@capacloud/protocol/job/job-file';
import { type JobSpec, parseJobFile } from '@capacloud/protocol/job/job-spec';
import { encodeHex } from '@capacloud/protocol/log/bytes';
import { accept, type Problem, type Refusal, type Result, refuse } from '@capacloud/protocol/result';
import type { ResponseOf } from '@capacloud/protocol/routes/routes';
import type { JobView } from '@capacloud/protocol/routes/views';
import { formatSize } from '@capacloud/protocol/units';
import type { Outcome, Submission } from '../ports/sequencer.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { AsideOf } from './idempotency.ts';
import { imageFingerprint, priceOf, termsOf } from './job-terms.ts';
import { outputLimitProblems } from './output-limits.ts';
import type { PriceCeilings } from './price-ceilings.ts';
import { problemDetails } from './problem.ts';
import type { TokenBuckets } from './rate-limit.ts';
import { timeText } from './views.ts';

/** A job that may be submitted: what its file says is right, and its inputs are held for it. */
interface PreparedJob extends Submission {
  readonly view: JobView;
  /** Takes back what was done for it: it was refused after all. */
  readonly release: () => Promise<void>;
}

/** Rows and log entries of a job, and of each of its tasks, about. */
const jobRowBytes = 2048;
const taskRowBytes = 512;

/** What reading a job file stands on. */
export interface ReadingParts {
  readonly deps: ApiDependencies;
  readonly ceilings: PriceCeilings;
}
export interface SubmissionParts extends ReadingParts {
  /** Bytes of specs by account. */
  readonly specRate: TokenBuckets;
}

/** The answer is the JSON of a JobView. */
export async function submitOne(
  parts: SubmissionParts,
  account: AccountId,
  body: unknown,
  asideOf: AsideOf,
): Promise<Result<string>> {
  const { deps } = parts;
  const prepared = await prepare(parts, account, body);
  if (!prepared.ok) return prepared;
  const { command, asides, view, release } = prepared.value;
  const text = JSON.stringify(view);
  // guard: keep the answer with what it answers
  const outcome = await deps.submitter.submit(command, () => [...asides, asideOf(text)]);
  if (outcome.ok) return accept(text);
  await release();
  return outcome;
}

/** Reading a batch lets others have their turn after this long. What a file costs is up to its author. */
const turnMs = 10;

type BatchResult = ResponseOf<'submitJobs'>['results'][number];

/** The answer is the JSON of the results, which are durable in the commit of the jobs: sent again, a batch happens once. */
export async function submitMany(
  parts: SubmissionParts,
  account: AccountId,
  { files, requestId }: { readonly files: readonly unknown[]; readonly requestId: string },
  asideOf: AsideOf,
): Promise<Result<string>> {
  const { deps } = parts;
  const all: Result<PreparedJob>[] = [];
  let turnBegan = performance.now();
  for (const file of files) {
    if (performance.now() - turnBegan >= turnMs) {
      await nextTurn();
      turnBegan = performance.now();
    }
    all.push(await prepare(parts, account, file));
  }
  const ready = all.flatMap((each) => (each.ok ? [each.value] : []));
  const answerOf = (outcomes: readonly Outcome[]): string => {
    let next = 0;
    const results = all.map((each): BatchResult => {
      if (!each.ok) return { problem: problemDetails(each.refusal, requestId) };
      const outcome = outcomes[next++] as Outcome;
      if (!outcome.ok) return { problem: problemDetails(outcome.refusal, requestId) };
      return { job: each.value.view };
    });
    return JSON.stringify({ results });
  };
  if (ready.length === 0) return accept(answerOf([]));
  let text = '';
  const outcomes = await deps.submitter.submitTogether(ready, (decided) => {
    text = answerOf(decided);
    // guard: keep the answer with the batch that it answers
    return decided.some(({ ok }) => ok) ? [asideOf(text)] : [];
  });
  for (const [index, { release }] of ready.entries())
    if (!outcomes.ok || outcomes.value[index]?.ok !== true) await release();
  return outcomes.ok ? accept(text) : outcomes;
}

/** A job file that may be submitted, as the terms that the core decides on. */
export interface ReadJob {
  readonly spec: JobSpec;
  readonly terms: JobTerms;
  readonly specText: string;
  readonly salt: string;
}

/** Everything that is checked of a job file before the core decides. */
export async function readJob(
  { deps, ceilings }: ReadingParts,
  account: AccountId,
  body: unknown,
): Promise<Result<ReadJob>> {
  const parsed = parseJobFile(body);
  if (!parsed.ok) return parsed;
  const spec = parsed.value;
  const tooLarge = outputLimitProblems(deps.settings, body as JobFile, spec);
  if (tooLarge.length > 0)
    return refuse('job.invalid', `${tooLarge[0]?.pointer} ${tooLarge[0]?.message}.`, { problems: tooLarge });
  const missing = await missingInputs(deps, account, spec);
  if (missing.length > 0)
    return refuse('job.artifact_missing', `${missing.length} of the inputs cannot be read.`, {
      problems: missing,
    });
  const salt = encodeHex(deps.randomBytes(32));
  const { terms: unpriced, specText } = termsOf(spec, salt);
  const { usdPerCapa } = deps.settings;
  // A ceiling of the file's own needs no look at what nodes ask.
  const defaultMaxRateNano =
    spec.price.maxPerHourNano === undefined ? await ceilings.ceilingOf(unpriced) : 0n;
  const price = priceOf(spec, { usdPerCapa, defaultMaxRateNano });
  if (!price.ok) return price;
  const image = imageFingerprint(deps.imageSecret, account, spec.image);
  return accept({ spec, salt, specText, terms: { ...unpriced, ...price.value, image } });
}

async function prepare(
  parts: SubmissionParts,
  account: AccountId,
  body: unknown,
): Promise<Result<PreparedJob>> {
  const { deps } = parts;
  const read = await readJob(parts, account, body);
  if (!read.ok) return read;
  const { spec, terms, specText, salt } = read.value;
  const refusal = await refusalOfStorage(parts, account, specText.length, terms.tasks);
  if (refusal !== undefined) return { ok: false, refusal };
  const at = deps.now();
  const job = jobIdFrom(deps.randomBytes(20));
  const { artifactIndex, specs } = deps;
  const refs = [...new Set(spec.inputs.map((input) => input.sha256))].map((sha256) => ({
    sha256,
    account,
    job,
  }));
  // Before the job exists, so that no input is collected under it.
  for (const ref of refs) await artifactIndex.addRef(ref);
  // At hand when the task is placed, which may be in the same commit.
  specs.keep(job, spec, specText.length);
  const { name } = spec;
  return accept({
    command: { type: 'job.submit', at, job, consumer: account, terms },
    asides: [
      {
        kind: 'job_spec',
        job,
        spec: specText,
        salt,
        image: spec.image,
        ...(name === undefined ? {} : { name }),
      },
    ],
    view: submittedView(job, account, spec, terms, at),
    release: async () => {
      specs.forget(job);
      for (const ref of refs) await artifactIndex.removeRef(ref);
    },
  });
}

/** A job is kept after its end, and its text may be long: that much is of its account's storage and rate. */
async function refusalOfStorage(
  { deps, specRate }: SubmissionParts,
  account: AccountId,
  specBytes: number,
  tasks: number,
): Promise<Refusal | undefined> {
  const { perSecond } = specRate.policy;
  if (!specRate.take(account).allowed)
    return {
      code: 'request.rate_limited',
      message: `The jobs of this account are more than ${formatSize(perSecond)} a second.`,
      hint: 'Wait a second and submit it again. Large files are cheaper as inputs than in the command or environment.',
    };
  specRate.charge(account, specBytes - 1);
  return deps.owned.refusalOfJob(account, specBytes + jobRowBytes + tasks * taskRowBytes);
}

async function missingInputs(
  deps: ApiDependencies,
  account: AccountId,
  spec: JobSpec,
): Promise<readonly Problem[]> {
  const party = { kind: 'account', account, operator: false } as const;
  const problems: Problem[] = [];
  for (const [index, { sha256 }] of spec.inputs.entries()) {
    const status = await deps.artifacts.status(party, sha256);
    if (status?.complete === true) continue;
    problems.push({
      pointer: `/inputs/${index}/source`,
      message:
        status === undefined
          ? `this account has uploaded no artifact ${sha256}`
          : `only ${status.offset} of ${status.sizeBytes} bytes of it have been uploaded`,
    });
  }
  return problems;
}

function submittedView(job: JobId, account: AccountId, spec: JobSpec, terms: JobTerms, at: number): JobView {
  const { tasks } = terms;
  return {
    id: job,
    ...(spec.name === undefined ? {} : { name: spec.name }),
    account,
    state: 'queued',
    image: spec.image,
    resources: spec.resources,
    tasks: { total: tasks, queued: tasks, active: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0 },
    submitted_at: timeText(at),
    held_nano: `${terms.holdNano * BigInt(tasks)}`,
    charged_nano: '0',
    max_rate_nano: `${terms.maxRateNano}`,
    spec_hash: terms.specHash,
  };
}
