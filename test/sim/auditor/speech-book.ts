import { jobOf, parseFrame, type Resources } from './entry.ts';
import type { NodeBook } from './node-book.ts';
import { check, fail } from './observation.ts';
import type { AskedOutput, HeardReceipt } from './spoken.ts';
import type { TaskBook } from './task-book.ts';
import { stages } from './task-facts.ts';
import { isSameRequest } from './wish-rules.ts';

interface Report {
  readonly id: number;
  readonly task: string;
  readonly attempt: number;
  /** Empty for a receipt. */
  readonly stage: string;
}

interface SessionFacts {
  readonly node: string;
  readonly reports: Report[];
  readonly heartbeats: Map<number, number>;
  helloMs: number | undefined;
  welcomeMs: number | undefined;
  ackedHeartbeat: number;
  ackedReport: number;
}

type Ref = { readonly task: string; readonly attempt: number };
type SaidAssignment = Ref & {
  readonly nonce: string;
  readonly resources?: Resources;
  readonly outputs?: readonly AskedOutput[];
};
type Item = Ref & {
  readonly kind: string;
  readonly id: number;
  readonly stage?: string;
  readonly receipt?: Wire;
};
interface Wire {
  readonly node: string;
  readonly task: string;
  readonly attempt: number;
  readonly nonce: string;
  readonly reason: string;
  readonly exitCode?: number;
  readonly oomKilled: boolean;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly outputs: HeardReceipt['outputs'];
}

const keptHellos = 8;

/** What was said to the coordinator and by it. Everything that it says must rest on what is durable. */
export class SpeechBook {
  readonly #tasks: TaskBook;
  readonly #nodes: NodeBook;
  readonly #sessions = new Map<string, SessionFacts>();
  /** What the newest hellos of each node said that it holds. */
  readonly #hellos = new Map<
    string,
    readonly { readonly heardMs: number; readonly held: readonly Ref[] }[]
  >();
  /** Receipts and nonces by job, then by attempt; they go with the job. */
  readonly #receipts = new Map<string, Map<string, HeardReceipt[]>>();
  readonly #nonces = new Map<string, Map<string, string>>();
  /** By job: all attempts of its tasks are asked for the same. */
  readonly #asked = new Map<string, readonly AskedOutput[]>();

  constructor(tasks: TaskBook, nodes: NodeBook) {
    this.#tasks = tasks;
    this.#nodes = nodes;
  }

  hear(node: string, session: string, value: unknown, genuine: boolean, nowMs: number): void {
    const frame = parseFrame(value);
    if (frame === undefined) return;
    const facts = this.#session(node, session);
    const known = this.#nodes.all.get(node);
    if (known !== undefined) this.#nodes.hear(known, frame['type'] === 'hello', nowMs);
    if (frame['type'] === 'hello') {
      facts.helloMs = nowMs;
      const held = (frame['attempts'] as readonly Ref[] | undefined) ?? [];
      const earlier = this.#hellos.get(node) ?? [];
      this.#hellos.set(node, [{ heardMs: nowMs, held }, ...earlier].slice(0, keptHellos));
    }
    if (frame['type'] === 'heartbeat') {
      facts.heartbeats.set(Number(frame['n']), nowMs);
      // Its first one shows that it was welcomed, and so knows what is wanted.
      if (known !== undefined && facts.welcomeMs !== undefined)
        known.knows = { ofMs: facts.welcomeMs, sinceMs: nowMs };
      facts.welcomeMs = undefined;
    }
    if (frame['type'] !== 'report' || !Array.isArray(frame['items'])) return;
    for (const item of frame['items'] as readonly Item[]) this.#hearItem(node, facts, item, genuine);
  }

  #hearItem(node: string, facts: SessionFacts, item: Item, genuine: boolean): void {
    if (item.kind === 'progress') {
      const { id, task, attempt, stage = '' } = item;
      facts.reports.push({ id, task, attempt, stage });
      return;
    }
    const { receipt } = item;
    if (receipt === undefined) return;
    const { task, attempt, startedAt, finishedAt } = receipt;
    facts.reports.push({ id: item.id, task, attempt, stage: '' });
    if (!genuine || !this.#tasks.jobs.has(jobOf(task))) return;
    const ofJob = this.#receipts.get(jobOf(task)) ?? new Map<string, HeardReceipt[]>();
    this.#receipts.set(jobOf(task), ofJob);
    const list = ofJob.get(`${task}/${attempt}`) ?? [];
    ofJob.set(`${task}/${attempt}`, list);
    const ran = startedAt === undefined || finishedAt === undefined ? 0 : finishedAt - startedAt;
    list.push({
      node,
      saysNode: receipt.node,
      nonce: receipt.nonce,
      reason: receipt.reason,
      exitCode: receipt.exitCode,
      oomKilled: receipt.oomKilled,
      claimedMs: Math.max(0, ran),
      outputs: receipt.outputs,
    });
  }

  /**
   * Whether one of its last hellos since it was given the attempt left that out; there are several while connections overtake
   * one another and the coordinator's disk stalls.
   */
  mayHaveForgotten(node: string, task: string, attempt: number, assignedMs: number): boolean {
    const hellos = this.#hellos.get(node) ?? [];
    return hellos.some(
      ({ heardMs, held }) =>
        heardMs > assignedMs && !held.some((ref) => ref.task === task && ref.attempt === attempt),
    );
  }

  receiptsFor(task: string, attempt: number): readonly HeardReceipt[] {
    return this.#receipts.get(jobOf(task))?.get(`${task}/${attempt}`) ?? [];
  }

  /** The secret that was told with the assignment; undefined when it was never told. */
  nonceOf(task: string, attempt: number): string | undefined {
    return this.#nonces.get(jobOf(task))?.get(`${task}/${attempt}`);
  }

  /** What the job's assignments ask for; undefined when none was told. */
  askedOf(task: string): readonly AskedOutput[] | undefined {
    return this.#asked.get(jobOf(task));
  }

  forget(job: string): void {
    this.#receipts.delete(job);
    this.#asked.delete(job);
    this.#nonces.delete(job);
  }

  say(node: string, session: string, value: unknown, leaseMs: number, nowMs: number): void {
    const frame = parseFrame(value);
    if (frame === undefined) return;
    const facts = this.#session(node, session);
    switch (frame['type']) {
      case 'welcome':
        this.#sayWelcome(node, session, facts, frame);
        facts.welcomeMs = nowMs;
        break;
      case 'assign':
        for (const each of frame['assignments'] as readonly SaidAssignment[]) this.#sayAssignment(node, each);
        break;
      case 'stop':
        for (const { task, attempt } of frame['attempts'] as readonly Ref[])
          check(
            !this.#tasks.isCurrent(task, attempt, node),
            'said.stop',
            () => `${node} is told to stop ${task}/${attempt}, which the log wants there`,
          );
        break;
      case 'ack':
        this.#sayAck(node, facts, Number(frame['report']), Number(frame['heartbeat']), leaseMs);
        break;
    }
  }

  #sayWelcome(
    node: string,
    session: string,
    facts: SessionFacts,
    frame: Readonly<Record<string, unknown>>,
  ): void {
    // It takes the place of every session of the node but those that greeted after it.
    const { helloMs = 0 } = facts;
    for (const [name, other] of this.#sessions)
      if (other.node === node && name !== session && (other.helloMs ?? 0) <= helloMs)
        this.#sessions.delete(name);
    const known = this.#nodes.all.get(node);
    const isThere = known !== undefined && ['ready', 'cordoned', 'draining', 'gone'].includes(known.status);
    check(isThere, 'said.welcome', () => `${node} is welcomed and is ${known?.status ?? 'not in the log'}`);
    const told = new Set<string>();
    for (const { task, attempt } of frame['desired'] as readonly Ref[]) {
      told.add(task);
      const isWanted = this.#tasks.isCurrent(task, attempt, node);
      check(isWanted, 'said.welcome', () => `${task}/${attempt} is not to run on ${node}`);
    }
    for (const task of known?.holds.keys() ?? []) {
      const attempt = known?.holds.get(task)?.attempt ?? 0;
      const isLeftOut = this.#tasks.isCurrent(task, attempt, node) && !told.has(task);
      check(!isLeftOut, 'said.welcome', () => `${node} is not told that it should run ${task}/${attempt}`);
    }
    if (known !== undefined && facts.helloMs !== undefined)
      known.leaseUntilMs = Math.max(known.leaseUntilMs, facts.helloMs + Number(frame['leaseMs']));
  }

  #sayAssignment(node: string, { task, attempt, nonce, outputs, resources }: SaidAssignment): void {
    const facts = this.#tasks.find(task);
    const where = facts?.nodes[attempt - 1];
    check(
      where === node,
      'said.assignment',
      () => `${node} is sent ${task}/${attempt}, which the log does not give it`,
    );
    const takes = facts !== undefined && 'job' in facts ? facts.takes[attempt - 1] : undefined;
    check(
      takes === undefined || resources === undefined || isSameRequest(resources.devices, takes.devices),
      'said.assignment',
      () => `${node} is sent ${task}/${attempt} by another alternative than that of the log`,
    );
    const ofJob = this.#nonces.get(jobOf(task)) ?? new Map<string, string>();
    const known = ofJob.get(`${task}/${attempt}`);
    check(
      known === undefined || known === nonce,
      'said.assignment',
      () => `${task}/${attempt} has two nonces`,
    );
    if (!this.#tasks.jobs.has(jobOf(task))) return;
    this.#nonces.set(jobOf(task), ofJob.set(`${task}/${attempt}`, nonce));
    if (outputs !== undefined) this.#asked.set(jobOf(task), outputs);
  }

  /** Reports up to `report` are durable, or what they say no longer matters; leases run from when the heartbeat came. */
  #sayAck(node: string, facts: SessionFacts, report: number, heartbeat: number, leaseMs: number): void {
    if (heartbeat !== facts.ackedHeartbeat) {
      const heardMs = facts.heartbeats.get(heartbeat);
      if (heardMs === undefined)
        return fail('said.acknowledgement', `${node}: heartbeat ${heartbeat} never came`);
      for (const n of facts.heartbeats.keys()) if (n <= heartbeat) facts.heartbeats.delete(n);
      facts.ackedHeartbeat = heartbeat;
      const known = this.#nodes.get(node);
      known.leaseUntilMs = Math.max(known.leaseUntilMs, heardMs + leaseMs);
    }
    if (report === facts.ackedReport) return;
    let newest = facts.ackedReport;
    for (let next = facts.reports[0]; next !== undefined && next.id <= report; next = facts.reports[0]) {
      facts.reports.shift();
      newest = Math.max(newest, next.id);
      this.#checkDurable(node, next);
    }
    check(newest === report, 'said.acknowledgement', () => `${node}: report ${report} never came`);
    facts.ackedReport = report;
  }

  #checkDurable(node: string, { task, attempt, stage }: Report): void {
    const what = `${task}/${attempt} ${stage === '' ? 'finished' : stage} on ${node}`;
    const isCurrent = this.#tasks.isCurrent(task, attempt, node);
    if (stage === '') {
      const isHeld = this.#nodes.all.get(node)?.holds.get(task)?.attempt === attempt;
      check(
        !isCurrent && !isHeld,
        'said.acknowledgement',
        () => `${what} is acknowledged and not in the log`,
      );
      return;
    }
    const known = stages.findIndex((each) => each === this.#tasks.live.get(task)?.state);
    const told = stages.findIndex((each) => each === stage);
    check(
      !isCurrent || known >= told,
      'said.acknowledgement',
      () => `${what} is acknowledged and not in the log`,
    );
  }

  #session(node: string, name: string): SessionFacts {
    let facts = this.#sessions.get(name);
    if (facts === undefined) {
      facts = {
        node,
        reports: [],
        heartbeats: new Map(),
        helloMs: undefined,
        welcomeMs: undefined,
        ackedHeartbeat: 0,
        ackedReport: 0,
      };
      this.#sessions.set(name, facts);
    }
    return facts;
  }
}
