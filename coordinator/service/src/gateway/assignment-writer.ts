import { hash } from 'node:crypto';
import type { Ruleset } from '@capacloud/core/ruleset';
import type { Assignment } from '@capacloud/protocol/frames';
import type { JobId, TaskId } from '@capacloud/protocol/ids';
import { taskIndexOf } from '@capacloud/protocol/ids';
import type { JobSpec } from '@capacloud/protocol/job-spec';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Placement } from './placements.ts';

type SharedFields = Omit<Assignment, 'task' | 'attempt' | 'nonce' | 'devices' | 'taskIndex'>;

/** Templates kept: how many, and how many characters of JSON in all. */
const maxTemplates = 4096;
const maxTemplateLength = 32 * 2 ** 20;

/**
 * Secret of an attempt that only its node learns. A keyed SHA-256 cut to 128 bits: what is cut off keeps the hash
 * from being extended, and it costs a third of an HMAC. Task and attempt cannot run into each other.
 */
export function attemptNonce(secret: string, task: TaskId, attempt: number): string {
  return hash('sha256', `${secret}|${task}|${attempt}`, 'hex').slice(0, 32);
}

/** Writes assignments as JSON. What all tasks of a job share is written once and kept, within bounds. */
export class AssignmentWriter {
  readonly #store: Pick<ReadStore, 'getJobSpec'>;
  readonly #artifacts: Pick<ArtifactIndex, 'get'>;
  readonly #ruleset: () => Ruleset;
  readonly #secret: string;
  readonly #templates = new Map<JobId, string>();
  #length = 0;
  readonly #loading = new Map<JobId, Promise<boolean>>();

  constructor(
    store: Pick<ReadStore, 'getJobSpec'>,
    artifacts: Pick<ArtifactIndex, 'get'>,
    ruleset: () => Ruleset,
    secret: string,
  ) {
    this.#store = store;
    this.#artifacts = artifacts;
    this.#ruleset = ruleset;
    this.#secret = secret;
  }

  /** Undefined until the job's template was loaded. */
  write(placement: Placement): string | undefined {
    const shared = this.#templates.get(placement.job);
    if (shared === undefined) return undefined;
    const { task, attempt, devices } = placement;
    placement.nonce = attemptNonce(this.#secret, task, attempt);
    const own = `"task":"${task}","attempt":${attempt},"nonce":"${placement.nonce}","taskIndex":${taskIndexOf(task)}`;
    return `{${own},"devices":${devices.length === 0 ? '[]' : JSON.stringify(devices)},${shared}}`;
  }

  /** True once `write` can write tasks of this job; false when the store does not know it. One read a job. */
  load(job: JobId): Promise<boolean> {
    const running = this.#loading.get(job);
    if (running !== undefined) return running;
    const loading = this.#load(job).finally(() => this.#loading.delete(job));
    this.#loading.set(job, loading);
    return loading;
  }

  forget(job: JobId): void {
    const text = this.#templates.get(job);
    if (text === undefined) return;
    this.#templates.delete(job);
    this.#length -= text.length;
  }

  async #load(job: JobId): Promise<boolean> {
    const row = await this.#store.getJobSpec(job);
    if (row === undefined) return false;
    // Written by ourselves, from a parsed job file.
    const spec = JSON.parse(row.spec) as JobSpec;
    const shared = JSON.stringify(await this.#shared(spec)).slice(1, -1);
    this.#keep(job, shared);
    return true;
  }

  #keep(job: JobId, shared: string): void {
    this.forget(job);
    this.#templates.set(job, shared);
    this.#length += shared.length;
    for (const oldest of this.#templates.keys()) {
      if (this.#templates.size <= maxTemplates && this.#length <= maxTemplateLength) break;
      if (oldest !== job) this.forget(oldest);
    }
  }

  async #shared(spec: JobSpec): Promise<SharedFields> {
    const ruleset = this.#ruleset();
    const inputs = await Promise.all(
      spec.inputs.map(async ({ sha256, target }) => {
        // An artifact that is gone is for the agent to find missing: then the attempt ends as input_unavailable.
        const row = await this.#artifacts.get(sha256);
        return { sha256, sizeBytes: row?.sizeBytes ?? 0, target };
      }),
    );
    return {
      image: spec.image,
      ...(spec.entrypoint === undefined ? {} : { entrypoint: [...spec.entrypoint] }),
      ...(spec.command === undefined ? {} : { command: [...spec.command] }),
      ...(spec.workingDir === undefined ? {} : { workingDir: spec.workingDir }),
      ...(spec.user === undefined ? {} : { user: spec.user }),
      env: { ...spec.env },
      resources: spec.resources,
      inputs,
      outputs: spec.outputs.map(({ path, maxBytes }) => ({ path, maxBytes })),
      taskCount: spec.replicas,
      pullTimeoutMs: ruleset.pullTimeoutMs,
      startTimeoutMs: ruleset.startTimeoutMs,
      runTimeoutMs: spec.timeoutMs,
      uploadTimeoutMs: ruleset.uploadTimeoutMs,
      stopGraceMs: spec.stopGraceMs,
    };
  }
}
