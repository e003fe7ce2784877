import type { AttemptAssigned, AttemptEnded, JobSettled, JobTerms, Ruleset } from './entry.ts';
import { GangWatch } from './gang-watch.ts';
import { heldUntil, holdReasons } from './hold-rules.ts';
import { MisfitBook } from './misfit-rules.ts';
import type { MoneyBook } from './money-book.ts';
import { checkCharge } from './money-book.ts';
import type { NodeBook, NodeFacts } from './node-book.ts';
import { check, fail } from './observation.ts';
import { checkGangStop, checkRetry } from './retry-rules.ts';
import {
  type EndKind,
  isActive,
  isEnd,
  isSaved,
  type JobFacts,
  type PastTask,
  stageClocks,
  stageLimitMs,
  stages,
  type TaskFacts,
  waitEnd,
  waitingTask,
} from './task-facts.ts';

/** Jobs, tasks and attempts as the log tells them. */
export class TaskBook {
  readonly live = new Map<string, TaskFacts>();
  readonly jobs = new Map<string, JobFacts>();
  /** Consumer of every job there ever was. */
  readonly consumers = new Map<string, string>();
  readonly past = new Map<string, PastTask>();
  readonly gangs = new GangWatch();
  readonly #money: MoneyBook;
  readonly #nodes: NodeBook;

  constructor(money: MoneyBook, nodes: NodeBook) {
    this.#money = money;
    this.#nodes = nodes;
  }

  /** Live or settled; undefined when the log has no such task. */
  find(task: string): TaskFacts | PastTask | undefined {
    return this.live.get(task) ?? this.past.get(task);
  }

  isCurrent(task: string, attempt: number, node: string): boolean {
    const facts = this.live.get(task);
    return facts?.attempt === attempt && isActive(facts.state) && facts.nodes.at(-1) === node;
  }

  submit(terms: JobTerms, at: number, rules: Ruleset, nowMs: number): void {
    const { job: id, consumer, tasks: count } = terms;
    check(!this.consumers.has(id), 'job.state', () => `${id} is submitted twice`);
    check(count >= 1 && count <= rules.maxTasksPerJob, 'job.state', () => `${id} has ${count} tasks`);
    const tasks: TaskFacts[] = [];
    const job: JobFacts = {
      terms,
      submittedAt: at,
      submittedMs: nowMs,
      tasks,
      misfits: new MisfitBook(),
      isCancelled: false,
      failure: undefined,
      stoppedMs: undefined,
    };
    const together = { own: 0, provider: 0 };
    for (let index = 0; index < count; index++) {
      const failures = terms.gang === true ? together : { own: 0, provider: 0 };
      const task = waitingTask(job, index, failures, nowMs);
      tasks.push(task);
      this.live.set(task.id, task);
    }
    this.jobs.set(id, job);
    this.consumers.set(id, consumer);
    this.#money.hold(
      consumer,
      tasks.map((task) => task.id),
      BigInt(terms.holdNano),
    );
    let liveTasks = 0;
    for (const task of this.live.values())
      if (task.job.terms.consumer === consumer && !isEnd(task.state)) liveTasks += 1;
    check(
      liveTasks <= rules.maxLiveTasksPerAccount,
      'job.state',
      () => `${consumer} has ${liveTasks} live tasks`,
    );
  }

  cancel(id: string, nowMs: number): void {
    const job = this.#job(id);
    check(
      job.tasks.some(({ state }) => !isEnd(state)),
      'job.state',
      () => `${id} is cancelled with nothing live`,
    );
    job.isCancelled = true;
    for (const task of job.tasks) {
      if (isEnd(task.state)) continue;
      if (isActive(task.state)) task.ends.push('cancelled');
      this.#end(task, 'cancelled', nowMs);
      this.#money.release(task.id);
    }
  }

  endWithoutAttempt(id: string, outcome: string, reason: string, at: number, nowMs: number): void {
    const task = this.get(id);
    const { stoppedMs } = task.job;
    if (outcome === 'cancelled' && reason === 'image_poisoned' && stoppedMs !== undefined) {
      if (isActive(task.state)) task.ends.push('cancelled');
      this.#end(task, 'cancelled', nowMs);
      this.#money.release(id);
      return;
    }
    const isDue = task.state === 'queued' && at >= waitEnd(task);
    check(
      outcome === 'expired' && reason === 'queue_timeout' && isDue,
      'task.state',
      () => `${id}, ${task.state} after ${task.attempt} attempts, is ${outcome} (${reason})`,
    );
    this.#end(task, 'expired', nowMs);
    this.#money.release(id);
  }

  settle(event: JobSettled): void {
    const job = this.#job(event.job);
    for (const state of ['succeeded', 'failed', 'cancelled', 'expired'] as const) {
      const count = job.tasks.filter((task) => task.state === state).length;
      check(
        count === event[state],
        'job.state',
        () => `${event.job} is settled with ${event[state]} ${state}`,
      );
    }
    for (const task of job.tasks) {
      check(isEnd(task.state), 'job.state', () => `${event.job} is settled and ${task.id} is ${task.state}`);
      for (const node of task.nodes)
        check(
          !this.#nodes.get(node).holds.has(task.id),
          'job.state',
          () => `${event.job} is settled and ${node} holds ${task.id}`,
        );
      this.live.delete(task.id);
      this.past.set(task.id, { state: task.state, nodes: task.nodes, ends: task.ends });
    }
    this.jobs.delete(event.job);
  }

  assign(event: AttemptAssigned, nowMs: number): void {
    const task = this.get(event.task);
    const what = `${task.id}/${event.attempt}`;
    check(task.state === 'queued', 'task.state', () => `${what} is assigned while it is ${task.state}`);
    check(event.attempt === task.attempt + 1, 'task.number', () => `${what} follows ${task.attempt}`);
    check(event.at >= task.notBefore, 'task.clock', () => `${what} is assigned before its pause is over`);
    check(event.at < waitEnd(task), 'task.clock', () => `${what} is assigned after its time to wait`);
    this.gangs.touch(task.job);
    const node = this.#nodes.assign(event, task.job.terms);
    check(
      !task.job.misfits.isClosed(node.provider, node.offer?.arch ?? ''),
      'capacity.terms',
      () => `${what} on ${node.id}: the image is not made for it`,
    );
    task.state = 'assigned';
    task.attempt = event.attempt;
    task.nodes.push(node.id);
    task.takes.push(node.holds.get(task.id)?.takes ?? task.job.terms.resources);
    task.provider = node.provider;
    task.rate = BigInt(event.rateNano);
    task.isInterruptible = event.interruptible === true;
    task.assignedAt = event.at;
    task.stageAt = event.at;
    task.heldAt = 0;
    task.heldFor = undefined;
    task.runningAt = 0;
    task.assignedMs = nowMs;
    task.changedMs = nowMs;
  }

  progress(id: string, attempt: number, stage: string, at: number, nowMs: number): NodeFacts {
    const task = this.#current(id, attempt);
    const to = stages.findIndex((each) => each === stage);
    const from = stages.findIndex((each) => each === task.state);
    check(to > from, 'task.state', () => `${id}/${attempt} goes from ${task.state} to ${stage}`);
    task.state = stage;
    task.stageAt = at;
    if (stage === 'running') task.runningAt = at;
    task.changedMs = nowMs;
    return this.#nodes.get(task.nodes.at(-1) ?? '');
  }

  endAttempt(event: AttemptEnded, rules: Ruleset, nowMs: number): { task: TaskFacts; kind: EndKind } {
    const task = this.#current(event.task, event.attempt);
    const node = this.#nodes.get(task.nodes.at(-1) ?? '');
    const kind = this.#kindOf(event, task, node, rules);
    task.ends.push(kind);
    if (event.released) this.#nodes.release(node.id, task.id, event.attempt);
    const { then } = event;
    if (kind === 'gang') checkGangStop(task.job.terms, task.tries, event, task.job.failure);
    else {
      checkRetry(
        task.job.terms,
        task.tries,
        event,
        task.job.misfits.isRefusedByMany(event.reason, task.provider),
      );
      task.job.failure = then.kind === 'succeeded' ? undefined : event;
    }
    this.gangs.touch(task.job);
    task.job.misfits.ended(event, task.provider, node.offer?.arch ?? '');
    if (then.kind === 'succeeded') {
      checkCharge(event, task, rules);
      this.#end(task, 'succeeded', nowMs);
      this.#money.pay(task.id, task.provider, BigInt(then.payNano), BigInt(then.feeNano));
    } else if (then.kind === 'failed') {
      this.#end(task, 'failed', nowMs);
      this.#money.release(task.id);
    } else {
      task.state = 'queued';
      task.waitsSince = event.at;
      task.isSaving = kind === 'preempted' && isSaved(task.job);
      const savedBy = event.at + task.job.terms.stopGraceMs + (rules.checkpointTimeoutMs ?? 0);
      task.notBefore = task.isSaving ? Math.max(then.notBefore, savedBy) : then.notBefore;
      task.changedMs = nowMs;
    }
    return { task, kind };
  }

  #kindOf(event: AttemptEnded, task: TaskFacts, node: NodeFacts, rules: Ruleset): EndKind {
    const { at, reason, receipt, released, then } = event;
    const what = `${task.id}/${event.attempt}`;
    const isPaid = then.kind === 'succeeded';
    check(
      isPaid === (reason === 'completed'),
      'money.paid-unearned',
      () => `${what} is ${then.kind}: ${reason}`,
    );
    if (receipt !== undefined) {
      check(released, 'node.occupied', () => `${what} ended by its node, and it is thought to hold it still`);
      node.wordAt = at;
      return 'receipt';
    }
    check(!isPaid, 'money.paid-unearned', () => `${what} succeeded without a receipt`);
    if (reason === 'node_lost') {
      check(
        released && at - node.wordAt >= rules.leaseMs + rules.lostMarginMs,
        'node.lost-early',
        () => `${what} is given up after ${at - node.wordAt} ms of silence`,
      );
      return 'lost';
    }
    if (reason === 'agent_failed') {
      check(released && task.state !== 'assigned', 'task.state', () => `${what} is forgotten`);
      return 'forgotten';
    }
    if (reason === 'gang_stopped' || reason === 'preempted') {
      check(
        !released,
        'node.occupied',
        () => `${what} was stopped without its node, which may hold it still`,
      );
      return reason === 'preempted' ? 'preempted' : 'gang';
    }
    const dueAt = heldUntil(task, rules) ?? task.stageAt + stageLimitMs(task, rules);
    const clock = holdReasons[task.heldFor?.cause ?? ''] ?? stageClocks[task.state];
    const isDue = clock === reason && !released && at >= dueAt;
    check(
      isDue,
      'task.clock',
      () => `${what}, ${task.state}, ends as ${reason} after ${at - task.stageAt} ms`,
    );
    return 'clock';
  }

  release(id: string, attempt: number, node: string, at: number): void {
    check(
      !this.isCurrent(id, attempt, node),
      'task.state',
      () => `${id}/${attempt} is let go of before it ended`,
    );
    this.#nodes.release(node, id, attempt);
    const task = this.live.get(id);
    if (task?.attempt === attempt && task.state === 'queued' && task.isSaving) task.notBefore = at;
  }

  get(id: string): TaskFacts {
    return this.live.get(id) ?? fail('log.shape', `there is no live task ${id}`);
  }

  #job(id: string): JobFacts {
    return this.jobs.get(id) ?? fail('log.shape', `there is no live job ${id}`);
  }

  #current(id: string, attempt: number): TaskFacts {
    const task = this.get(id);
    const isIt = task.attempt === attempt && isActive(task.state);
    check(isIt, 'task.number', () => `${id}/${attempt} is told of; it is ${task.state} in ${task.attempt}`);
    return task;
  }

  #end(task: TaskFacts, state: string, nowMs: number): void {
    check(!isEnd(task.state), 'task.state', () => `${task.id} goes from ${task.state} to ${state}`);
    task.state = state;
    task.changedMs = nowMs;
  }
}
