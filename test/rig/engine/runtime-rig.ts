import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDockerRuntime } from '@capacloud/agent/container/docker-runtime';
import type { DockerRuntimeOptions } from '@capacloud/agent/container/runtime-options';
import { readLocalImages } from '@capacloud/agent/core/local-images';
import {
  type AttemptKey,
  attemptKeyText,
  type ObservedAttempt,
  type PlacedInput,
  type Runtime,
} from '@capacloud/agent/core/ports';
import { jobIdFrom, type NodeId, taskIdOf } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import Docker from 'dockerode';
import { dockerSocket, ensureBusyboxImage, testImages } from '../images/engine-images.ts';
import { registriesFor } from '../images/test-registries.ts';
import { markedName } from '../programs/marked-name.ts';

const mebibyte = 2 ** 20;

/** A runtime of a node of its own on a real engine; everything it made is removed in the end. */
export interface RuntimeRig {
  readonly docker: Docker;
  readonly runtime: Runtime;
  readonly options: DockerRuntimeOptions;
  readonly image: string;
  readonly signal: AbortSignal;
  /** A folder for outputs and inputs of one test. */
  folder(): Promise<string>;
  assign(change: AssignmentChange): Assignment;
  /** Starts what was prepared, if it was not started before. */
  start(assignment: Assignment): ReturnType<Runtime['start']>;
  /** Prepares and starts; throws when either is refused. */
  launch(assignment: Assignment, inputs?: readonly PlacedInput[]): Promise<AttemptKey>;
  /** Launches and waits for the end. */
  run(assignment: Assignment, inputs?: readonly PlacedInput[]): Promise<ObservedAttempt>;
  close(): Promise<void>;
}

export type AssignmentChange = Partial<Omit<Assignment, 'resources'>> & {
  readonly resources?: Partial<Assignment['resources']>;
};

export async function openRuntimeRig(
  change: Partial<DockerRuntimeOptions> & { readonly pidsLimit?: number } = {},
): Promise<RuntimeRig> {
  const socketPath = change.socketPath ?? dockerSocket;
  const docker = new Docker({ socketPath });
  const base = await mkdtemp(join(tmpdir(), 'capacloud-runtime-'));
  const image = await ensureBusyboxImage(docker);
  const options: DockerRuntimeOptions = {
    socketPath,
    owner: { node: `node_${randomBytes(20).toString('hex')}` as NodeId, coordinator: markedName('runtime') },
    takeUid: uidTaker(),
    policy: { allowRoot: false, pidsLimit: change.pidsLimit ?? 64 },
    localImages: readLocalImages(testImages),
    registries: registriesFor([]),
    scratch: 'memory',
    stateDir: join(base, 'state'),
    ...change,
  };
  const runtime = createDockerRuntime(options);
  const signal = new AbortController().signal;
  const claimed = new Set<string>();
  const start = (assignment: Assignment) => {
    const text = attemptKeyText(assignment);
    return runtime.start(assignment, () => !claimed.has(text) && claimed.add(text).size > 0, signal);
  };
  const launch = async (assignment: Assignment, inputs: readonly PlacedInput[] = []): Promise<AttemptKey> => {
    const prepared = await runtime.prepare(assignment, inputs, signal);
    if (!prepared.ok) throw new Error(`prepare: ${prepared.refusal.reason}: ${prepared.refusal.message}`);
    const started = await start(assignment);
    if (!started.ok) throw new Error(`start: ${started.refusal.reason}: ${started.refusal.message}`);
    return { task: assignment.task, attempt: assignment.attempt };
  };
  return {
    docker,
    runtime,
    options,
    image,
    signal,
    start,
    launch,
    async folder() {
      const folder = join(base, randomUUID());
      await mkdir(folder);
      return folder;
    },
    assign: (assignmentChange) => newAssignment(image, assignmentChange),
    run: async (assignment, inputs) => await runtime.wait(await launch(assignment, inputs), signal),
    async close() {
      for (const { key } of await runtime.observe(signal)) await runtime.remove(key, signal);
      await rm(base, { recursive: true, force: true });
    },
  };
}

/** As the journal of an agent does: the same for each attempt. */
function uidTaker(): DockerRuntimeOptions['takeUid'] {
  const first = 2_000_000_000 + randomInt(10_000_000);
  const taken = new Map<string, number>();
  return (key) => {
    const uid = taken.get(attemptKeyText(key)) ?? first + taken.size;
    taken.set(attemptKeyText(key), uid);
    return uid;
  };
}

function newAssignment(image: string, change: AssignmentChange): Assignment {
  const resources = { cpuMilli: 500, memoryBytes: 64 * mebibyte, diskBytes: 16 * mebibyte, shmBytes: 0 };
  return {
    task: taskIdOf(jobIdFrom(randomBytes(20)), 0),
    attempt: 1,
    nonce: randomBytes(16).toString('hex'),
    image,
    env: {},
    devices: [],
    inputs: [],
    outputs: [],
    taskIndex: 0,
    taskCount: 1,
    pullTimeoutMs: 60_000,
    startTimeoutMs: 60_000,
    runTimeoutMs: 60_000,
    uploadTimeoutMs: 60_000,
    stopGraceMs: 2000,
    ...change,
    resources: { ...resources, ...change.resources },
  };
}

/** A job's shell script as the command of an assignment. */
export function script(text: string): { readonly entrypoint: string[]; readonly command: string[] } {
  return { entrypoint: ['/bin/sh', '-c'], command: [text] };
}

/** All that followLogs hands over, as text of each stream. */
export async function readLog(
  rig: RuntimeRig,
  key: AttemptKey,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const text = { stdout: '', stderr: '' };
  await rig.runtime.followLogs(
    key,
    0,
    async (chunk) => {
      text[chunk.stream] += Buffer.from(chunk.bytes).toString('utf8');
    },
    rig.signal,
  );
  return text;
}

/** Waits until the condition holds; the test's own time limit ends it otherwise. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
}
