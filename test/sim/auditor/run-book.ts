import { milliOf } from './device-match.ts';
import type { JobTerms } from './entry.ts';
import type { NodeBook } from './node-book.ts';
import type { AuditTerms, Observation } from './observation.ts';
import { check, fail } from './observation.ts';
import type { TaskBook } from './task-book.ts';
import type { TrustBook } from './trust-book.ts';

type Container = Extract<Observation, { kind: 'container' }>;

interface Running {
  readonly task: string;
  readonly attempt: number;
  readonly machine: Machine;
  readonly devices: readonly string[];
  readonly sinceMs: number;
  /** Longest that its job lets it run, its grace included. */
  readonly limitMs: number;
  readonly graceMs: number;
  /** True time at which it was first seen that the log does not want it any more. */
  unwantedMs: number | undefined;
  /** True time at which the log first knew that it runs: its agent has noted since when. */
  notedMs: number | undefined;
  readonly resources: JobTerms['resources'] | undefined;
}

/** An agent lists its containers at least this often. */
const relistMs = 30_000;
/** Errors that an agent may note within a second: each of its attempts may fail at a step, and none again and again. */
const mostComplaints = 25;
/** Leases are written down in whole milliseconds. */
const roundingMs = 1;

interface Machine {
  readonly node: string;
  readonly name: string;
  readonly running: Map<string, Running>;
  /** What was told of its leases: of single attempts, or of all ('/0'). */
  readonly leases: Map<string, number>;
  isFree: boolean;
  freeSinceMs: number;
  /** Its agent began a new life then. */
  isReborn: boolean;
  /** When its agent last noted errors, the newest last. */
  complaints: readonly number[];
}

/** What containers really do, whatever the log says of it. */
export class RunBook {
  readonly #tasks: TaskBook;
  readonly #nodes: NodeBook;
  readonly #trust: TrustBook;
  readonly #terms: AuditTerms;
  readonly #machines = new Map<string, Machine>();
  readonly #byTask = new Map<string, Set<Running>>();

  constructor(tasks: TaskBook, nodes: NodeBook, trust: TrustBook, terms: AuditTerms) {
    this.#tasks = tasks;
    this.#nodes = nodes;
    this.#trust = trust;
    this.#terms = terms;
  }

  get running(): number {
    let count = 0;
    for (const { size } of this.#byTask.values()) count += size;
    return count;
  }

  observe(change: Container): void {
    const machine = this.#machine(change.node, change.instance);
    if (change.change === 'started') this.#start(machine, change);
    else this.#end(machine, change);
  }

  lease(
    { node, instance, task, attempt, untilMs }: Extract<Observation, { kind: 'lease' }>,
    nowMs: number,
  ): void {
    const grantedMs = this.#nodes.all.get(node)?.leaseUntilMs ?? 0;
    check(
      untilMs <= Math.max(nowMs, grantedMs) + roundingMs,
      'lease.too-long',
      () => `${node} believes in its lease ${untilMs - grantedMs} ms beyond what was acknowledged`,
    );
    this.#machine(node, instance).leases.set(`${task}/${attempt}`, untilMs);
  }

  hands({ node, instance, free, reborn }: Extract<Observation, { kind: 'hands' }>, nowMs: number): void {
    const machine = this.#machine(node, instance);
    if (free && !machine.isFree) {
      machine.freeSinceMs = nowMs;
      machine.isReborn = reborn === true;
    }
    machine.isFree = free;
  }

  complain({ node, instance }: Extract<Observation, { kind: 'complaint' }>, nowMs: number): void {
    const machine = this.#machine(node, instance);
    machine.complaints = [...machine.complaints.filter((atMs) => nowMs - atMs < 1000), nowMs];
    check(
      machine.complaints.length <= mostComplaints,
      'run.spins',
      () => `${machine.name} notes ${machine.complaints.length} errors in a second`,
    );
  }

  /** The log knows that it runs. */
  noted(task: string, attempt: number, nowMs: number): void {
    for (const running of this.#byTask.get(task) ?? [])
      if (running.attempt === attempt) running.notedMs ??= nowMs;
  }

  #start(machine: Machine, { task, attempt, node, devices, atMs }: Container): void {
    const what = `${task}/${attempt} on ${machine.name}`;
    const facts = this.#tasks.find(task);
    if (facts?.nodes[attempt - 1] !== node)
      return fail('run.unassigned', `${what} runs, and the log does not give it there`);
    check(!machine.running.has(`${task}/${attempt}`), 'run.twice', () => `${what} runs in two containers`);
    const terms = 'job' in facts ? facts.job.terms : undefined;
    const takes = 'job' in facts ? facts.takes[attempt - 1] : undefined;
    for (const device of devices) {
      const others = [...machine.running.values()].filter((other) => other.devices.includes(device));
      const milli = others.reduce((sum, { resources }) => sum + milliOf(resources), milliOf(takes));
      check(
        milli <= 1000,
        'run.device',
        () => `${what} and ${others.map((other) => other.task).join()} use ${milli} thousandths of ${device}`,
      );
    }
    for (const other of this.#byTask.get(task) ?? []) this.#checkTwo(other, attempt, atMs);
    const graceMs = terms?.stopGraceMs ?? 0;
    // Where its job is settled already, it is not wanted, which has a bound of its own.
    const limitMs = terms === undefined ? Number.POSITIVE_INFINITY : terms.runTimeoutMs + graceMs;
    const running: Running = {
      task,
      attempt,
      machine,
      devices,
      sinceMs: atMs,
      limitMs,
      graceMs,
      unwantedMs: undefined,
      notedMs: undefined,
      resources: takes,
    };
    if (this.#trust.trusts(node)) this.#checkRoom(machine, running);
    const untilMs = this.#leaseOf(running) ?? Number.POSITIVE_INFINITY;
    const { overrunMs, promptMs } = this.#terms;
    // What was on its way when it was held up still happens; a new life looks at its lease first.
    const lastMs = machine.isReborn ? untilMs + promptMs : Math.max(untilMs, machine.freeSinceMs) + overrunMs;
    check(
      atMs <= lastMs,
      'run.lease',
      () => `${what} starts ${atMs - untilMs} ms after the lease of the node`,
    );
    machine.running.set(`${task}/${attempt}`, running);
    const ofTask = this.#byTask.get(task) ?? new Set<Running>();
    this.#byTask.set(task, ofTask.add(running));
  }

  /** Together they never use more than the owner offers. */
  #checkRoom({ name, node, running }: Machine, added: Running): void {
    const offer = this.#nodes.all.get(node)?.offer;
    if (offer === undefined) return;
    let [slots, cpuMilli, memoryBytes] = [0, 0, 0];
    for (const { resources } of [...running.values(), added]) {
      slots += 1;
      cpuMilli += resources?.cpuMilli ?? 0;
      memoryBytes += resources?.memoryBytes ?? 0;
    }
    check(
      slots <= offer.slots && cpuMilli <= offer.cpuMilli && memoryBytes <= offer.memoryBytes,
      'run.room',
      () =>
        `${added.task}/${added.attempt} makes ${slots} containers on ${name}, more than there is room for`,
    );
  }

  /**
   * A task runs twice at once only where its older attempt was given up while its node was still heard: by a clock of
   * the coordinator, by the node's own word, or by a cancel. Never because the node was thought to be lost.
   */
  #checkTwo(older: Running, attempt: number, nowMs: number): void {
    if (older.attempt === attempt) return;
    const first = Math.min(older.attempt, attempt);
    const wasLost = this.#tasks.find(older.task)?.ends[first - 1] === 'lost';
    const { machine, graceMs, unwantedMs = nowMs } = older;
    // Its lease had lapsed when it was given up: since then its agent is stopping it, if it can.
    const lateMs = nowMs - Math.max(unwantedMs, machine.freeSinceMs) - this.#terms.overrunMs - graceMs;
    check(
      !wasLost || !machine.isFree || lateMs <= 0,
      'run.twice',
      () => `${older.task}/${attempt} starts while ${older.attempt} still runs`,
    );
  }

  #leaseOf({ task, attempt, machine }: Running): number | undefined {
    return machine.leases.get(`${task}/${attempt}`) ?? machine.leases.get('/0');
  }

  #end(machine: Machine, { task, attempt }: Container): void {
    const running = machine.running.get(`${task}/${attempt}`);
    if (running === undefined) return;
    machine.running.delete(`${task}/${attempt}`);
    const ofTask = this.#byTask.get(task);
    ofTask?.delete(running);
    if (ofTask?.size === 0) this.#byTask.delete(task);
  }

  /** Nothing runs beyond its lease or its clock while its agent can act. */
  sweep(leaseMs: number, nowMs: number): void {
    for (const machine of this.#machines.values()) {
      if (!machine.isFree) continue;
      for (const running of machine.running.values()) {
        const allowedMs = this.#terms.overrunMs + running.graceMs;
        const isWanted = this.#tasks.isCurrent(running.task, running.attempt, machine.node);
        running.unwantedMs = isWanted ? undefined : (running.unwantedMs ?? nowMs);
        if (nowMs - machine.freeSinceMs <= allowedMs) continue;
        const what = `${running.task}/${running.attempt} on ${machine.name}`;
        const untilMs = this.#leaseOf(running) ?? Number.POSITIVE_INFINITY;
        check(
          nowMs <= untilMs + allowedMs,
          'run.lease',
          () => `${what} runs ${nowMs - untilMs} ms after its lease`,
        );
        // The node hears that it should stop, or its lease lapses; what it does not know of, its next list shows.
        const tooLongMs = leaseMs + relistMs + allowedMs;
        const unwantedMs = nowMs - (running.unwantedMs ?? nowMs);
        check(unwantedMs <= tooLongMs, 'run.unwanted', () => `${what} runs, and ended ${unwantedMs} ms ago`);
        const ranMs = nowMs - running.sinceMs;
        check(
          ranMs <= running.limitMs + allowedMs,
          'run.clock',
          () => `${what} has run ${ranMs} of ${running.limitMs} ms`,
        );
      }
      for (const running of machine.running.values()) this.#checkPrompt(machine, running, nowMs);
    }
  }

  /** What an agent does of itself once it can: it does not need the coordinator to come and mend it. */
  #checkPrompt(machine: Machine, running: Running, nowMs: number): void {
    const { freeSinceMs, name, node } = machine;
    const { attempt, graceMs, limitMs, notedMs, sinceMs, task, unwantedMs } = running;
    const allowedMs = this.#terms.promptMs + graceMs;
    if (nowMs - freeSinceMs <= allowedMs) return;
    const isTrusted = this.#trust.trusts(node);
    const knows = this.#nodes.all.get(node)?.knows;
    if (isTrusted && knows !== undefined && unwantedMs !== undefined && unwantedMs <= knows.ofMs)
      check(
        nowMs <= knows.sinceMs + allowedMs,
        'run.unwanted',
        () => `${task}/${attempt} on ${name} runs, and its agent knows that it is not wanted`,
      );
    // Where it was away from before the note of it, it cannot know.
    const fromMs = freeSinceMs <= sinceMs ? sinceMs : isTrusted ? notedMs : undefined;
    check(
      fromMs === undefined || nowMs - fromMs <= limitMs + this.#terms.promptMs,
      'run.clock',
      () => `${task}/${attempt} on ${name} runs on after its ${limitMs} ms`,
    );
  }

  checkNoneLeft(): void {
    for (const { name, running } of this.#machines.values())
      for (const { task, attempt } of running.values())
        fail('settled.containers', `${task}/${attempt} still runs on ${name}`);
  }

  #machine(node: string, instance: number): Machine {
    const name = `${node}#${instance}`;
    let machine = this.#machines.get(name);
    if (machine === undefined) {
      machine = {
        node,
        name,
        running: new Map(),
        leases: new Map(),
        isFree: true,
        freeSinceMs: 0,
        isReborn: false,
        complaints: [],
      };
      this.#machines.set(name, machine);
    }
    return machine;
  }
}
