import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import type { Refusal } from '@capacloud/protocol/result';
import type { ReportFrame, ReportItem } from '@capacloud/protocol/wire/frames';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import type { Aside, CommittedEvent, Outcome, Submitter } from '../ports/sequencer.ts';
import type { FlushQueue } from './flush-queue.ts';
import type { CheckedReceipt } from './receipt-check.ts';
import { type JudgeDeps, ReceiptJudge } from './receipt-judge.ts';
import type { ReceiptVerifier } from './receipt-verifier.ts';
import type { Session } from './session.ts';

export interface IntakeDeps extends JudgeDeps {
  readonly submitter: Pick<Submitter, 'submit'>;
  readonly flushes: FlushQueue;
  readonly verifier: Pick<ReceiptVerifier, 'check'>;
  readonly reportsInFlight: number;
  readonly reportItemsInFlight: number;
  now(): number;
}

/** A report frame on its way into the log. */
interface Intake {
  readonly lastId: number;
  readonly items: number;
  waiting: number;
  isFailed: boolean;
}

/** What the receipts of a frame know of one another. */
type Signed = Pick<
  Aside & { readonly kind: 'receipt' },
  'receipt' | 'position' | 'size' | 'path' | 'signature'
>;

interface Finish {
  readonly receipt: Receipt;
  readonly reason: OutcomeReason;
  readonly hash: Sha256Hex;
  readonly signed: Signed;
}

/**
 * Turns the reports of one session into commands, in order, and acknowledges what is durable. Frames are checked one
 * after another (a signature each); their commands are all under way at once.
 */
export class ReportIntake {
  readonly #session: Session;
  readonly #deps: IntakeDeps;
  readonly #judge: ReceiptJudge;
  readonly #unchecked: ReportFrame[] = [];
  readonly #inFlight: Intake[] = [];
  /** Frames that were read and not acknowledged. */
  #undurable = 0;
  #undurableItems = 0;
  #timer: NodeJS.Timeout | undefined;
  #isChecking = false;
  #isPaused = false;
  #hasDelegation = false;
  #lastId = 0;

  constructor(session: Session, deps: IntakeDeps) {
    this.#session = session;
    this.#deps = deps;
    this.#judge = new ReceiptJudge(session, deps);
    // What the node's last session owes, this one waits for.
    this.#throttle();
  }

  /** Reading waits for the log, so silence is not the agent's fault. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  push(frame: ReportFrame): Refusal | undefined {
    for (const { id } of frame.items) {
      if (id <= this.#lastId)
        return {
          code: 'frame.out_of_order',
          message: `Report ${id} came after report ${this.#lastId}.`,
        };
      this.#lastId = id;
    }
    this.#unchecked.push(frame);
    this.#undurable += 1;
    this.#undurableItems += frame.items.length;
    this.#session.rates.reportItems.charge(this.#deps.now(), frame.items.length);
    this.#throttle();
    if (!this.#isChecking) void this.#checkAll();
    return undefined;
  }

  async #checkAll(): Promise<void> {
    this.#isChecking = true;
    try {
      for (let frame = this.#unchecked[0]; frame !== undefined; frame = this.#unchecked[0]) {
        if (!this.#session.connection.isOpen) break;
        await this.#check(frame);
        this.#unchecked.shift();
      }
    } catch (error) {
      this.#deps.logger.error({ err: error, node: this.#session.node }, 'reports could not be taken in');
      this.#refuse({ code: 'service.internal', message: 'The reports could not be taken in.' });
    } finally {
      this.#isChecking = false;
    }
  }

  async #check(frame: ReportFrame): Promise<void> {
    const receipts: Receipt[] = [];
    for (const item of frame.items) if (item.kind === 'finished') receipts.push(item.receipt);
    if (receipts.length === 0) {
      this.#submit(frame.items, []);
      return;
    }
    const texts = receipts.map(canonicalJson);
    const { signature = '' } = frame;
    const checked = await this.#deps.verifier.check({
      key: this.#session.sessionKeyHex,
      signature,
      receipts: texts,
    });
    if (checked === undefined) {
      this.#refuse({
        code: 'receipt.signature_invalid',
        message: 'The signature does not cover the receipts of the frame.',
      });
      return;
    }
    const finishes: Finish[] = [];
    for (let position = 0; position < receipts.length; position++) {
      const receipt = receipts[position] as Receipt;
      const { hash, path } = checked[position] as CheckedReceipt;
      const text = texts[position] as string;
      const verdict = this.#judge.judge(receipt);
      const reason = typeof verdict === 'string' ? verdict : await verdict;
      finishes.push({
        receipt,
        reason,
        hash,
        signed: { receipt: text, position, size: texts.length, path, signature },
      });
    }
    // A newer session may have taken over meanwhile; its agent sends all this again.
    if (this.#session.connection.isOpen) this.#submit(frame.items, finishes);
  }

  #submit(items: readonly ReportItem[], finishes: readonly Finish[]): void {
    const last = items[items.length - 1];
    const intake: Intake = {
      lastId: last?.id ?? 0,
      items: items.length,
      waiting: items.length,
      isFailed: false,
    };
    this.#inFlight.push(intake);
    const settle = (outcome: Outcome) => this.#settle(intake, outcome);
    const fail = () => {
      intake.isFailed = true;
    };
    const at = this.#deps.now();
    let index = 0;
    for (const item of items) {
      if (item.kind === 'progress') {
        const { task, attempt, stage } = item;
        this.#deps.submitter
          .submit({ type: 'attempt.progress', at, node: this.#session.node, task, attempt, stage })
          .then(settle, fail);
      } else {
        const finish = finishes[index];
        if (finish !== undefined) this.#finish(finish, at).then(settle, fail);
        index += 1;
      }
    }
  }

  #finish({ receipt, reason, hash, signed }: Finish, at: number): Promise<Outcome> {
    const { task, attempt, exitCode, imageRunsOn, startedAt, finishedAt } = receipt;
    const ran = startedAt === undefined || finishedAt === undefined ? 0 : Math.max(0, finishedAt - startedAt);
    return this.#deps.submitter.submit(
      {
        type: 'attempt.finish',
        at,
        node: this.#session.node,
        task,
        attempt,
        reason,
        ...(exitCode === undefined ? {} : { exitCode }),
        ...(imageRunsOn === undefined ? {} : { imageRunsOn }),
        receipt: hash,
        claimedRunMs: ran,
      },
      (events) => this.#evidence(events, task, attempt, signed),
    );
  }

  /** The receipt, where it ended or released its attempt, and with the first of a session the delegation that makes it count. */
  #evidence(
    events: readonly CommittedEvent[],
    task: TaskId,
    attempt: number,
    signed: Signed,
  ): readonly Aside[] {
    const [first] = events;
    if (first === undefined) return [];
    const { delegation, delegationDigest, delegationSignature } = this.#session;
    const receipt = {
      kind: 'receipt',
      event: first.index,
      isLate: first.event.type !== 'attempt.ended',
      task,
      attempt,
      delegation: delegationDigest,
      ...signed,
    } as const;
    if (this.#hasDelegation) return [receipt];
    this.#hasDelegation = true;
    return [
      { kind: 'delegation', digest: delegationDigest, delegation, signature: delegationSignature },
      receipt,
    ];
  }

  /** A refusal of the core is an answer too: the attempt is fenced or unknown, and the agent may forget it. */
  #settle(intake: Intake, outcome: Outcome): void {
    if (!outcome.ok) {
      const { code } = outcome.refusal;
      // Its reports are not lost: the agent keeps them until the node is reinstated.
      if (code.startsWith('service.') || code === 'node.isolated') {
        intake.isFailed = true;
        this.#refuse(outcome.refusal);
      } else this.#deps.counts.add(code);
    }
    intake.waiting -= 1;
    this.#acknowledge();
  }

  /** Reports are acknowledged in their order: one that is not durable holds back those after it. */
  #acknowledge(): void {
    let head = this.#inFlight[0];
    if (head === undefined || head.waiting > 0 || head.isFailed) return;
    while (head !== undefined && head.waiting === 0 && !head.isFailed) {
      // guard: acknowledge what is durable
      this.#session.report = head.lastId;
      this.#inFlight.shift();
      this.#undurable -= 1;
      this.#undurableItems -= head.items;
      head = this.#inFlight[0];
    }
    this.#deps.flushes.add(this.#session);
    this.#throttle();
  }

  /** Reading pauses while too much is on its way into the log, or the node has reported faster than its rate. */
  #throttle(): void {
    const { reportsInFlight, reportItemsInFlight } = this.#deps;
    const use = Math.max(this.#undurable / reportsInFlight, this.#undurableItems / reportItemsInFlight);
    const waitMs = this.#session.rates.reportItems.waitMs(this.#deps.now());
    if (waitMs > 0 && this.#timer === undefined) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#throttle();
      }, waitMs).unref();
    }
    if (!this.#isPaused && (use >= 1 || waitMs > 0)) {
      this.#isPaused = true;
      this.#session.connection.pause();
    } else if (this.#isPaused && use <= 1 / 2 && waitMs === 0) {
      this.#isPaused = false;
      this.#session.contact.hear(this.#deps.now());
      this.#session.connection.resume();
    }
  }

  #refuse(refusal: Refusal): void {
    this.#session.connection.refuse(refusal);
  }
}
