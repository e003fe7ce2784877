import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { Delegation } from '@capacloud/protocol/wire/delegation';
import type {
  Assignment,
  AttemptRef,
  AttemptStage,
  CoordinatorFrame,
  ReportItem,
  WelcomeFrame,
} from '@capacloud/protocol/wire/frames';
import { sessionPath, wireLimits } from '@capacloud/protocol/wire/frames';
import { type Receipt } from '@capacloud/protocol/wire/receipt';
import { WebSocket } from 'ws';
import {
  createHello,
  createIdentity,
  createSessionKey,
  type Identity,
  plainOffer,
  type SessionKey,
  signItems,
} from './agent-keys.ts';

/** An agent without containers: the protocol as a real one speaks it, with real keys, and outcomes from a script. */
/** What an attempt comes to; `hold` leaves it running until `finish` is called. */
export type Act =
  | 'hold'
  | {
      readonly stages?: readonly AttemptStage[];
      readonly reason: OutcomeReason;
      readonly exitCode?: number;
      readonly outputs?: Receipt['outputs'];
      /** What else its receipt says. */
      readonly receipt?: Pick<Partial<Receipt>, 'imageRunsOn' | 'links' | 'log' | 'skipped'>;
      /** By the agent's clock. */
      readonly ranMs?: number;
    };

export interface ScriptedAgentOptions {
  /** Of the coordinator: http://127.0.0.1:PORT. */
  readonly url: string;
  readonly identity?: Identity;
  readonly offer?: Offer;
  /** The account that it names as its provider; default: its own. */
  readonly provider?: string;
  /** Default: completed at once. */
  readonly act?: (assignment: Assignment) => Act;
  /** What it speaks; default: the first version alone. */
  readonly protocols?: readonly number[];
  /** What it was told to stop goes on until `finish` is called. */
  readonly stopsLate?: boolean;
  /** After the coordinator has acknowledged so many finished attempts more. */
  readonly onAcked?: (finished: number) => void;
}

const completed: Act = { reason: 'completed', exitCode: 0, ranMs: 1 };
const keyOf = ({ task, attempt }: AttemptRef) => `${task}-${attempt}`;

export class ScriptedAgent {
  readonly identity: Identity;
  /** Attempts that it holds: assigned, and their end not acknowledged. */
  readonly held = new Map<string, Assignment>();
  /** What the coordinator said when it closed the last session. */
  refusal: { readonly code: string; readonly message: string } | undefined;
  welcome: WelcomeFrame | undefined;
  assigned = 0;
  finished = 0;
  acked = 0;
  stopped = 0;
  readonly #options: ScriptedAgentOptions;
  readonly #act: (assignment: Assignment) => Act;
  #key: SessionKey = createSessionKey();
  #socket: WebSocket | undefined;
  #received = 0;
  #sent = 0;
  #heartbeats = 0;
  #reportId = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Reports that are not acknowledged, in order; the first `#outSent` were sent in this session. */
  #outbox: ReportItem[] = [];
  #outSent = 0;
  #isScheduled = false;

  constructor(options: ScriptedAgentOptions) {
    this.#options = options;
    this.#act = options.act ?? (() => completed);
    this.identity = options.identity ?? createIdentity();
  }

  get isConnected(): boolean {
    return this.welcome !== undefined && this.#socket?.readyState === WebSocket.OPEN;
  }
  get unacknowledged(): number {
    return this.#outbox.length;
  }

  /** Resolves with the welcome; rejects when the coordinator refuses or cannot be reached. */
  connect(): Promise<WelcomeFrame> {
    const url = `${this.#options.url.replace(/^http/, 'ws')}${sessionPath}`;
    const socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true });
    this.#socket = socket;
    this.#key = createSessionKey();
    this.#received = 0;
    this.#sent = 0;
    this.#outSent = 0;
    this.welcome = undefined;
    this.refusal = undefined;
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(error);
      socket.on('error', fail);
      socket.on('close', (code) => {
        if (this.#socket === socket) clearInterval(this.#timer);
        fail(new Error(`closed with ${code}: ${this.refusal?.code ?? 'no refusal'}`));
      });
      socket.on('message', (data) => {
        if (this.#socket !== socket) return;
        const frame = JSON.parse((data as Buffer).toString('utf8')) as CoordinatorFrame;
        this.#read(frame, socket).then(() => {
          if (frame.type === 'welcome') resolve(frame);
        }, fail);
      });
    });
  }

  /** Ends an attempt that its script left running. */
  finish(
    attempt: AttemptRef,
    act: Exclude<Act, 'hold'> = { reason: 'completed', exitCode: 0, ranMs: 1 },
  ): void {
    const assignment = this.held.get(keyOf(attempt));
    if (assignment === undefined) throw new Error(`${keyOf(attempt)} is not held`);
    this.#finish(assignment, act);
  }

  report(attempt: AttemptRef, stage: AttemptStage): void {
    this.#push({ kind: 'progress', id: ++this.#reportId, ...attempt, stage, atMs: Date.now() });
  }

  beat(
    pulls: readonly {
      task: AttemptRef['task'];
      attempt: number;
      doneBytes: number;
      totalBytes: number;
    }[] = [],
  ): void {
    this.#send('heartbeat', {
      n: ++this.#heartbeats,
      load: { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 },
      pulls,
    });
  }

  changeOffer(offer: Offer, accepting: boolean): void {
    this.#send('offer', { offer, accepting });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket?.close(1000);
  }
  /** As a cut cable does. */
  cut(): void {
    clearInterval(this.#timer);
    this.#socket?.terminate();
  }

  async #read(frame: CoordinatorFrame, socket: WebSocket): Promise<void> {
    if (frame.type === 'assign' || frame.type === 'stop' || frame.type === 'ack') {
      if (frame.seq !== this.#received + 1) throw new Error(`frame ${frame.seq} after ${this.#received}`);
      this.#received = frame.seq;
    }
    switch (frame.type) {
      case 'challenge': {
        const extra = {
          offer: this.#options.offer ?? plainOffer,
          attempts: [...this.held.values()].map(({ task, attempt }) => ({ task, attempt })),
          protocols: [...(this.#options.protocols ?? [1])],
        };
        const { provider = this.identity.address } = this.#options;
        const change = (delegation: Delegation): Delegation => ({ ...delegation, provider });
        const hello = await createHello(frame, this.identity, this.#key, extra, change);
        socket.send(JSON.stringify(hello));
        return;
      }
      case 'welcome':
        this.#open(frame);
        return;
      case 'assign':
        for (const assignment of frame.assignments) this.#take(assignment);
        return;
      case 'stop':
        for (const attempt of frame.attempts) this.#stop(attempt);
        return;
      case 'ack':
        this.#acknowledge(frame.report);
        return;
      case 'refusal':
        this.refusal = frame;
        return;
    }
  }

  #open(frame: WelcomeFrame): void {
    this.welcome = frame;
    const desired = new Set(frame.desired.map(keyOf));
    const reported = new Set(
      this.#outbox.flatMap((item) => (item.kind === 'finished' ? [keyOf(item.receipt)] : [])),
    );
    for (const key of this.held.keys()) if (!desired.has(key) && !reported.has(key)) this.held.delete(key);
    this.#timer = setInterval(() => this.beat(), frame.heartbeatMs).unref();
    this.#schedule();
  }

  #take(assignment: Assignment): void {
    const key = keyOf(assignment);
    if (this.held.has(key)) return;
    this.held.set(key, assignment);
    this.assigned += 1;
    const act = this.#act(assignment);
    if (act === 'hold') return;
    const { task, attempt } = assignment;
    for (const stage of act.stages ?? []) this.report({ task, attempt }, stage);
    this.#finish(assignment, act);
  }

  #stop(attempt: AttemptRef): void {
    const assignment = this.held.get(keyOf(attempt));
    if (assignment === undefined) return;
    this.stopped += 1;
    const isReported = this.#outbox.some(
      (item) => item.kind === 'finished' && keyOf(item.receipt) === keyOf(attempt),
    );
    if (!isReported && this.#options.stopsLate !== true) this.#finish(assignment, { reason: 'stopped' });
  }

  #finish({ task, attempt, nonce }: Assignment, act: Exclude<Act, 'hold'>): void {
    this.finished += 1;
    const finishedAt = Date.now();
    // Keys in canonical order: then hashing needs no sort.
    const receipt: Receipt = {
      attempt,
      ...(act.exitCode === undefined ? {} : { exitCode: act.exitCode }),
      finishedAt,
      log: { sizeBytes: 0, truncated: false },
      node: this.identity.node,
      nonce,
      oomKilled: act.reason === 'oom_killed',
      outputs: act.outputs ?? [],
      reason: act.reason,
      startedAt: finishedAt - (act.ranMs ?? 0),
      task,
      version: 1,
      ...act.receipt,
    };
    this.#push({ kind: 'finished', id: ++this.#reportId, receipt });
  }

  #push(item: ReportItem): void {
    this.#outbox.push(item);
    this.#schedule();
  }

  /**
   * What came while the last report was unacknowledged goes out in one frame under one signature, as Nagle's
   * algorithm does it: at once when idle, in batches under load.
   */
  #schedule(): void {
    if (this.#isScheduled || this.#outSent > 0 || this.#outbox.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.isConnected) return;
      const items = this.#outbox.slice(0, wireLimits.itemsPerReport);
      this.#outSent = items.length;
      const signature = signItems(items, this.#key);
      this.#send('report', { items, ...(signature === undefined ? {} : { signature }) });
    });
  }

  #acknowledge(report: number): void {
    let done = 0;
    let finished = 0;
    for (const item of this.#outbox) {
      if (item.id > report) break;
      done += 1;
      if (item.kind !== 'finished') continue;
      finished += 1;
      this.held.delete(keyOf(item.receipt));
    }
    if (done === 0) return;
    this.#outbox = this.#outbox.slice(done);
    this.#outSent = Math.max(0, this.#outSent - done);
    this.#schedule();
    this.acked += finished;
    if (finished > 0) this.#options.onAcked?.(finished);
  }

  #send(type: 'report' | 'heartbeat' | 'offer', body: object): void {
    if (!this.isConnected) return;
    this.#socket?.send(JSON.stringify({ type, seq: ++this.#sent, ack: this.#received, ...body }));
  }
}
