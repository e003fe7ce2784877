import { hash } from 'node:crypto';
import type { Ruleset } from '@capacloud/core/contract/ruleset';
import { alternativesOf } from '@capacloud/protocol/capacity/resources';
import type { JobId, TaskId } from '@capacloud/protocol/ids';
import { taskIndexOf } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { checkpointProtocol, keptOutputsProtocol } from '@capacloud/protocol/wire/protocol-versions';
import type { JobSpecs, RunSpec } from '../job-specs.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { Placement } from './placements.ts';

type OwnField = 'task' | 'attempt' | 'nonce' | 'devices' | 'taskIndex' | 'resources' | 'checkpoint';
type OutputFields = 'outputs' | 'maxFileBytes';
type SharedFields = Omit<Assignment, OwnField | OutputFields>;

/** JSON of what all tasks of a job share, and of what each of its alternatives takes. */
interface Template {
  readonly shared: string;
  /** Members of what is collected; `plainOutputs` for agents that know of no optional ones. */
  readonly outputs: string;
  readonly plainOutputs: string;
  readonly resources: readonly string[];
  /** Open at its end; undefined where the job has none. */
  readonly checkpoint: string | undefined;
  readonly length: number;
}

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
  readonly #specs: Pick<JobSpecs, 'known' | 'get'>;
  readonly #artifacts: Pick<ArtifactIndex, 'get' | 'checkpointOf'>;
  readonly #ruleset: () => Ruleset;
  readonly #secret: string;
  readonly #maxFileBytes: number | undefined;
  readonly #templates = new Map<JobId, Template>();
  #length = 0;
  readonly #loading = new Map<JobId, Promise<boolean>>();

  constructor(
    specs: Pick<JobSpecs, 'known' | 'get'>,
    artifacts: Pick<ArtifactIndex, 'get' | 'checkpointOf'>,
    ruleset: () => Ruleset,
    { secret, maxFileBytes }: { readonly secret: string; readonly maxFileBytes?: number },
  ) {
    this.#specs = specs;
    this.#artifacts = artifacts;
    this.#ruleset = ruleset;
    this.#secret = secret;
    this.#maxFileBytes = maxFileBytes;
  }

  /** For an agent that speaks the protocol. Undefined while something about the job or the task has to be loaded first. */
  write(placement: Placement, protocol: number): string | undefined {
    const template = this.#templates.get(placement.job) ?? this.#writeKnown(placement.job);
    if (template === undefined) return undefined;
    const checkpoint = protocol < checkpointProtocol ? '' : writeCheckpoint(template, placement);
    if (checkpoint === undefined) return undefined;
    const outputs = protocol < keptOutputsProtocol ? template.plainOutputs : template.outputs;
    const { task, attempt, devices, alternative } = placement;
    placement.nonce = attemptNonce(this.#secret, task, attempt);
    const own = `"task":"${task}","attempt":${attempt},"nonce":"${placement.nonce}","taskIndex":${taskIndexOf(task)}`;
    // guard: send what the chosen alternative takes
    return `{${own},"devices":${devices.length === 0 ? '[]' : JSON.stringify(devices)},"resources":${template.resources[alternative]},${checkpoint}${outputs},${template.shared}}`;
  }

  /** True once `write` can write tasks of this job; false when the store does not know it. One read a job. */
  load(job: JobId): Promise<boolean> {
    const running = this.#loading.get(job);
    if (running !== undefined) return running;
    const loading = this.#load(job).finally(() => this.#loading.delete(job));
    this.#loading.set(job, loading);
    return loading;
  }

  /** What an earlier attempt left; after `load`. */
  async loadCheckpoint(placement: Placement): Promise<void> {
    if (placement.attempt === 1 || this.#templates.get(placement.job)?.checkpoint === undefined) return;
    const kept = await this.#artifacts.checkpointOf(placement.task);
    placement.saved = kept === undefined ? 'none' : { sha256: kept.sha256, sizeBytes: kept.sizeBytes };
  }

  forget(job: JobId): void {
    const template = this.#templates.get(job);
    if (template === undefined) return;
    this.#templates.delete(job);
    this.#length -= template.length;
  }

  async #load(job: JobId): Promise<boolean> {
    const spec = await this.#specs.get(job);
    if (spec === undefined) return false;
    const inputs = await Promise.all(
      spec.inputs.map(async ({ sha256, target }) => {
        // An artifact that is gone is for the agent to find missing: then the attempt ends as input_unavailable.
        const row = await this.#artifacts.get(sha256);
        return { sha256, sizeBytes: row?.sizeBytes ?? 0, target };
      }),
    );
    this.#keep(job, this.#template(spec, inputs));
    return true;
  }

  /** The sizes of inputs are in the store; without inputs, all there is to say is in the spec. */
  #writeKnown(job: JobId): Template | undefined {
    const spec = this.#specs.known(job);
    if (spec === undefined || spec.inputs.length > 0) return undefined;
    const template = this.#template(spec, []);
    this.#keep(job, template);
    return template;
  }

  #keep(job: JobId, template: Template): void {
    this.forget(job);
    this.#templates.set(job, template);
    this.#length += template.length;
    for (const oldest of this.#templates.keys()) {
      if (this.#templates.size <= maxTemplates && this.#length <= maxTemplateLength) break;
      if (oldest !== job) this.forget(oldest);
    }
  }

  #template(spec: RunSpec, inputs: SharedFields['inputs']): Template {
    const ruleset = this.#ruleset();
    const fields: SharedFields = {
      image: spec.image,
      ...(spec.entrypoint === undefined ? {} : { entrypoint: [...spec.entrypoint] }),
      ...(spec.command === undefined ? {} : { command: [...spec.command] }),
      ...(spec.workingDir === undefined ? {} : { workingDir: spec.workingDir }),
      ...(spec.user === undefined ? {} : { user: spec.user }),
      env: { ...spec.env },
      inputs,
      taskCount: spec.replicas,
      pullTimeoutMs: ruleset.pullTimeoutMs,
      startTimeoutMs: ruleset.startTimeoutMs,
      runTimeoutMs: spec.timeoutMs,
      uploadTimeoutMs: ruleset.uploadTimeoutMs,
      stopGraceMs: spec.stopGraceMs,
    };
    const shared = JSON.stringify(fields).slice(1, -1);
    const plainOutputs = writeOutputs({
      outputs: spec.outputs.map(({ path, maxBytes }) => ({ path, maxBytes })),
    });
    const outputs = writeOutputs({
      outputs: spec.outputs.map(({ path, maxBytes, optional }) => ({
        path,
        maxBytes,
        ...(optional === true ? { optional } : {}),
      })),
      ...(this.#maxFileBytes === undefined ? {} : { maxFileBytes: this.#maxFileBytes }),
    });
    const resources = alternativesOf(spec.resources).map((each) => JSON.stringify(each));
    const { checkpoint } = spec;
    return {
      shared,
      outputs,
      plainOutputs,
      resources,
      checkpoint:
        checkpoint === undefined
          ? undefined
          : JSON.stringify({ ...checkpoint, timeoutMs: ruleset.checkpointTimeoutMs ?? 0 }).slice(0, -1),
      length: shared.length + outputs.length + plainOutputs.length + resources.join('').length,
    };
  }
}

/** Members without their braces. */
function writeOutputs(fields: Pick<Assignment, OutputFields>): string {
  return JSON.stringify(fields).slice(1, -1);
}

/** A member with its comma, or nothing; undefined while what an earlier attempt left has to be looked up. */
function writeCheckpoint({ checkpoint }: Template, { attempt, saved }: Placement): string | undefined {
  if (checkpoint === undefined) return '';
  if (attempt === 1 || saved === 'none') return `"checkpoint":${checkpoint}},`;
  return saved === undefined ? undefined : `"checkpoint":${checkpoint},"saved":${JSON.stringify(saved)}},`;
}
