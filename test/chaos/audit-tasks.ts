import { createHash } from 'node:crypto';
import type { Client } from '@capacloud/client/client';
import { verifyEd25519 } from '@capacloud/client/ed25519';
import { listAll } from '@capacloud/client/pages';
import { type ReceiptVerifier, verifyReceipt } from '@capacloud/client/verify-receipt';
import type { Event, EventOf } from '@capacloud/core/contract/event';
import { taskReasons } from '@capacloud/protocol/catalogue/reasons';
import type { TaskId } from '@capacloud/protocol/ids';
import { endedTaskStates } from '@capacloud/protocol/routes/states';
import type { AttemptView, TaskView } from '@capacloud/protocol/routes/views';
import { verifyTypedData } from 'ethers';
import type { Findings } from './audit-log.ts';
import { type ExpectedJob, type ExpectedTask, outputPath } from './workload.ts';

type AttemptEnded = EventOf<'attempt.ended'>;

interface TaskHistory {
  readonly assigned: EventOf<'attempt.assigned'>[];
  readonly ended: AttemptEnded[];
}

/** Jobs, tasks, attempts, receipts, outputs and logs, as a consumer sees them, against what was asked for. */
export class TaskAuditor {
  readonly succeeded = new Set<TaskId>();
  /** How often attempts ended for each reason. */
  readonly reasons = new Map<string, number>();
  /** Attempts that ended by no doing of their program, in words. */
  readonly losses: string[] = [];
  /** How many tasks ended how: their state, with its reason where they failed. */
  readonly ends = new Map<string, number>();
  readonly #client: Client;
  readonly #findings: Findings;
  readonly #lossyLogs: boolean;
  readonly #histories = new Map<TaskId, TaskHistory>();
  readonly #submitted: EventOf<'job.submitted'>[] = [];
  readonly #settled: EventOf<'job.settled'>[] = [];

  constructor(client: Client, events: readonly Event[], findings: Findings, lossyLogs: boolean) {
    this.#lossyLogs = lossyLogs;
    this.#client = client;
    this.#findings = findings;
    for (const event of events) {
      if (event.type === 'attempt.assigned') this.#historyOf(event.task).assigned.push(event);
      if (event.type === 'attempt.ended') {
        this.#historyOf(event.task).ended.push(event);
        this.reasons.set(event.reason, (this.reasons.get(event.reason) ?? 0) + 1);
      }
      if (event.type === 'job.submitted') this.#submitted.push(event);
      if (event.type === 'job.settled') this.#settled.push(event);
    }
  }

  async audit(jobs: readonly ExpectedJob[]): Promise<void> {
    await this.#auditSubmissions(jobs);
    const info = await this.#client.call('getInfo', {});
    const verifier = { coordinator: info.name, chainId: info.chain_id, verifyTypedData, verifyEd25519 };
    for (const job of jobs) await this.#auditJob(job, verifier);
  }

  /** Each job is there once under the id that its submission gave, and none is there that nobody knows of. */
  async #auditSubmissions(jobs: readonly ExpectedJob[]): Promise<void> {
    const listed: string[] = [];
    for await (const job of listAll(this.#client, 'listJobs', { query: { limit: 500 } }))
      listed.push(`${job.id} ${job.name}`);
    const expected = jobs.map(({ id, name }) => `${id} ${name}`).sort();
    this.#same('the jobs of the account', listed.sort(), expected);
    const ids = jobs.map(({ id }) => id).sort();
    this.#same('the submissions in the log', this.#submitted.map(({ job }) => job).sort(), ids);
    this.#same('the settled jobs in the log', this.#settled.map(({ job }) => job).sort(), ids);
  }

  async #auditJob(job: ExpectedJob, verifier: ReceiptVerifier): Promise<void> {
    const countOf = (state: ExpectedTask['state']) => job.tasks.filter((task) => task.state === state).length;
    const [succeeded, failed, cancelled] = [countOf('succeeded'), countOf('failed'), countOf('cancelled')];
    const { state, tasks: counts } = await this.#client.call('getJob', { params: { job: job.id } });
    const otherwise = failed > 0 ? 'failed' : 'cancelled';
    const expectedState = succeeded === job.tasks.length ? 'succeeded' : otherwise;
    this.#same(`state of ${job.id}`, state, expectedState);
    this.#same(
      `counts of ${job.id}`,
      [counts.succeeded, counts.failed, counts.cancelled],
      [succeeded, failed, cancelled],
    );
    const query = { limit: 500 };
    const tasks: TaskView[] = [];
    for await (const task of listAll(this.#client, 'listTasks', { params: { job: job.id }, query }))
      tasks.push(task);
    this.#same(
      `tasks of ${job.id}`,
      tasks.map(({ index }) => index),
      job.tasks.map((_, index) => index),
    );
    for (const task of tasks) {
      if (endedTaskStates.includes(task.state)) {
        const end = task.state === 'failed' ? `failed ${task.reason}` : task.state;
        this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
      }
      const expected = job.tasks[task.index];
      if (expected !== undefined) await this.#auditTask(task, expected, verifier);
    }
  }

  async #auditTask(task: TaskView, expected: ExpectedTask, verifier: ReceiptVerifier): Promise<void> {
    this.#same(`state of ${task.id} (${task.reason}: ${task.message})`, task.state, expected.state);
    const { items: attempts } = await this.#client.call('listAttempts', { params: { task: task.id } });
    const history = this.#historyOf(task.id);
    this.#auditHistory(task.id, history, attempts, expected);
    for (const attempt of attempts) {
      if (attempt.reason !== 'completed' && attempt.reason !== 'exit_nonzero')
        this.losses.push(`${attempt.task}/${attempt.attempt} ${attempt.reason}: ${attempt.message}`);
      const ended = history.ended.find((each) => each.attempt === attempt.attempt);
      if (ended?.receipt !== undefined) await this.#auditReceipt(attempt, ended, verifier);
    }
    const last = attempts.at(-1);
    if (last !== undefined && expected.state === 'succeeded') {
      this.succeeded.add(task.id);
      await this.#auditOutput(task, expected.output);
      await this.#auditTaskLog(last, expected.log);
    }
  }

  #auditHistory(
    task: TaskId,
    { assigned, ended }: TaskHistory,
    attempts: readonly AttemptView[],
    expected: ExpectedTask,
  ): void {
    const numbers = Array.from({ length: assigned.length }, (_, index) => index + 1);
    const numbersOf = (list: readonly { readonly attempt: number }[]) => list.map(({ attempt }) => attempt);
    this.#same(`assigned attempts of ${task}`, numbersOf(assigned), numbers);
    this.#same(`ended attempts of ${task}`, numbersOf(ended), numbers);
    this.#same(`served attempts of ${task}`, numbersOf(attempts), numbers);
    const ends = ended.filter(({ then }) => then.kind !== 'requeued').map(({ then }) => then.kind);
    this.#same(`ends of ${task}`, ends, expected.state === 'cancelled' ? [] : [expected.state]);
    this.#same(
      `reasons of ${task}`,
      attempts.map(({ reason }) => reason),
      ended.map(({ reason }) => reason),
    );
    if (expected.state !== 'failed') return;
    const ownErrors = ended.filter(({ reason }) => taskReasons[reason].fault === 'consumer');
    this.#same(
      `own errors of ${task}`,
      ownErrors.map(({ exitCode }) => exitCode),
      Array.from({ length: expected.ownErrors }, () => expected.exitCode),
    );
  }

  async #auditReceipt(attempt: AttemptView, ended: AttemptEnded, verifier: ReceiptVerifier): Promise<void> {
    const { task, attempt: number } = attempt;
    const name = `receipt of ${task}, attempt ${number}`;
    const signed = await this.#client.call('getReceipt', { params: { task, attempt: number } });
    this.#same(`hash of the ${name}`, signed.hash, ended.receipt);
    const { receipt } = signed;
    const stated = [receipt.task, receipt.attempt, receipt.node, receipt.reason, receipt.exitCode];
    this.#same(`statement of the ${name}`, stated, [
      task,
      number,
      attempt.node,
      ended.reason,
      ended.exitCode,
    ]);
    const verified = await verifyReceipt(signed, verifier);
    if (!verified.ok) this.#findings.push(`the ${name}: ${verified.refusal.message}`);
    else this.#same(`signer of the ${name}`, verified.value, { node: attempt.node, delegationChecked: true });
  }

  async #auditOutput(task: TaskView, expected: string): Promise<void> {
    const bytes = Buffer.from(expected);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.#same(`outputs of ${task.id}`, task.outputs, [
      { path: outputPath, sha256, sizeBytes: bytes.length },
    ]);
    for (const output of task.outputs) {
      const params = { sha256: output.sha256 };
      const response = await this.#client.open('getArtifact', { params, headers: { accept: '*/*' } });
      const got = Buffer.from(await response.arrayBuffer());
      this.#same(`content of ${task.id}${output.path}`, got.toString(), expected);
    }
  }

  async #auditTaskLog({ task, attempt }: AttemptView, expected: string): Promise<void> {
    const response = await this.#client.open('followLog', {
      params: { task, attempt },
      headers: { accept: 'text/plain' },
    });
    const found = await response.text();
    const isPart = this.#lossyLogs && found.split('\n').every((line) => expected.split('\n').includes(line));
    if (!isPart) this.#same(`log of ${task}, attempt ${attempt}`, found, expected);
  }

  #historyOf(task: TaskId): TaskHistory {
    const known = this.#histories.get(task) ?? { assigned: [], ended: [] };
    this.#histories.set(task, known);
    return known;
  }

  #same(what: string, found: unknown, expected: unknown): void {
    const [a, b] = [JSON.stringify(sorted(found)), JSON.stringify(sorted(expected))];
    if (a !== b) this.#findings.push(`${what}: found ${a}, expected ${b}`);
  }
}

/** Members in the order of their names, so that two values that are equal print alike. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
