import Type, { type Static } from 'typebox';
import type { ErrorCode } from '../catalogue/errors.ts';
import { distinct, wholeItem } from '../input/distinct.ts';
import { DelegationSchema } from './delegation-schema.ts';
import {
  AssignedInputsSchema,
  attemptKey,
  attemptRefs,
  ProtocolsSchema,
  PullsSchema,
  WordsSchema,
} from './frame-lists.ts';

export type { AttemptRef } from './frame-lists.ts';

import { OfferSchema, ResourcesSchema } from '../capacity/resources-schema.ts';
import { Sha256Schema, TaskIdSchema } from '../ids-schema.ts';
import { variableNamePattern } from '../job/job-env.ts';
import { AssignedOutputSchema } from './outputs-schema.ts';
import { AttemptNumberSchema, NonceSchema, ReceiptSchema } from './receipt-schema.ts';

/** What an archive of a checkpoint may be larger than its files: names and headers of 20,000 entries. */
export const checkpointOverheadBytes = 96 * 2 ** 20;
/** WebSocket path of the gateway. */
export const sessionPath = '/v1/session';

/** Bounds of the wire. The handshake is held to the smaller ones: its sender is not known yet. */
export const wireLimits = {
  handshakeFrameBytes: 64 * 1024,
  frameBytes: 256 * 1024,
  handshakeTimeoutMs: 10_000,
  /** Frames sent and not acknowledged by the peer before a session is given up. */
  unackedFrames: 2048,
  itemsPerReport: 256,
  assignmentsPerFrame: 16,
  /** Sustained frames a second from an agent, and the burst above it. */
  framesPerSecond: 200,
  framesBurst: 1000,
} as const;

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const seq = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const hex32 = Type.String({ pattern: '^0x[0-9a-f]{64}$', maxLength: 66 });

/** After the handshake every frame carries its own number (1, 2, 3 … each way) and the last one received. */
const sequenced = { seq, ack: count };

/** Everything an agent needs to run one attempt. Nothing in it names a field of the container engine. */
export const AssignmentSchema = Type.Object(
  {
    task: TaskIdSchema,
    attempt: AttemptNumberSchema,
    nonce: NonceSchema,
    image: Type.String({ minLength: 1, maxLength: 512 }),
    entrypoint: Type.Optional(WordsSchema),
    command: Type.Optional(WordsSchema),
    workingDir: Type.Optional(Type.String({ maxLength: 1024 })),
    user: Type.Optional(Type.String({ pattern: '^[0-9]{1,10}(:[0-9]{1,10})?$', maxLength: 21 })),
    env: Type.Record(
      Type.String({ pattern: variableNamePattern }),
      Type.String({ maxLength: 32_768 }),
      closed,
    ),
    resources: ResourcesSchema,
    /** Ids of the devices that this attempt may use. */
    devices: distinct(Type.Array(Type.String({ maxLength: 96 }), { maxItems: 64 }), wholeItem),
    inputs: AssignedInputsSchema,
    outputs: distinct(Type.Array(AssignedOutputSchema, { maxItems: 64 }), ['path']),
    /** The coordinator stores no larger file. Absent: it does not say. */
    maxFileBytes: Type.Optional(count),
    /**
     * A folder that outlives the attempt: when the coordinator stops it, what is there is saved as one tar archive, which the
     * receipt names as the only output, under this path. `saved` is what an earlier attempt of the task left.
     */
    checkpoint: Type.Optional(
      Type.Object(
        {
          path: Type.String({ maxLength: 1024 }),
          maxBytes: count,
          timeoutMs: count,
          saved: Type.Optional(Type.Object({ sha256: Sha256Schema, sizeBytes: count }, closed)),
        },
        closed,
      ),
    ),
    taskIndex: count,
    taskCount: seq,
    pullTimeoutMs: count,
    startTimeoutMs: count,
    runTimeoutMs: count,
    uploadTimeoutMs: count,
    stopGraceMs: count,
  },
  closed,
);
export type Assignment = Static<typeof AssignmentSchema>;

// ——— coordinator → agent

/** First frame of a connection. */
export const ChallengeFrameSchema = Type.Object(
  {
    type: Type.Literal('challenge'),
    protocols: ProtocolsSchema,
    nonce: hex32,
    coordinator: Type.String({ minLength: 1, maxLength: 253 }),
    chainId: count,
    nowMs: count,
  },
  closed,
);
export type ChallengeFrame = Static<typeof ChallengeFrameSchema>;

/**
 * The session is open. `desired` is the complete set of attempts that the coordinator wants on this node:
 * what the agent holds beyond it is stopped and dropped; what it lacks follows in assign frames.
 */
export const WelcomeFrameSchema = Type.Object(
  {
    type: Type.Literal('welcome'),
    protocol: count,
    session: count,
    heartbeatMs: seq,
    leaseMs: seq,
    /** Bearer token for the artifact and log routes, good while this session lasts. */
    token: Type.String({ maxLength: 128 }),
    desired: attemptRefs(0),
  },
  closed,
);
export type WelcomeFrame = Static<typeof WelcomeFrameSchema>;

export const AssignFrameSchema = Type.Object(
  {
    type: Type.Literal('assign'),
    ...sequenced,
    assignments: distinct(
      Type.Array(AssignmentSchema, { minItems: 1, maxItems: wireLimits.assignmentsPerFrame }),
      attemptKey,
    ),
  },
  closed,
);
export const StopFrameSchema = Type.Object(
  {
    type: Type.Literal('stop'),
    ...sequenced,
    attempts: attemptRefs(1),
  },
  closed,
);
/** Reports up to `report` are durable; heartbeat `heartbeat` was received, so leases run from when it was sent. */
export const AckFrameSchema = Type.Object(
  { type: Type.Literal('ack'), ...sequenced, report: count, heartbeat: count },
  closed,
);
/** Sent right before the coordinator closes; allowed at any time, so it carries no number. */
export const RefusalFrameSchema = Type.Object(
  {
    type: Type.Literal('refusal'),
    code: Type.Unsafe<ErrorCode>(Type.String({ maxLength: 64 })),
    message: Type.String({ maxLength: 1000 }),
    hint: Type.String({ maxLength: 1000 }),
  },
  closed,
);
export type AssignFrame = Static<typeof AssignFrameSchema>;
export type StopFrame = Static<typeof StopFrameSchema>;
export type AckFrame = Static<typeof AckFrameSchema>;
export type RefusalFrame = Static<typeof RefusalFrameSchema>;

export type CoordinatorFrame =
  | ChallengeFrame
  | WelcomeFrame
  | AssignFrame
  | StopFrame
  | AckFrame
  | RefusalFrame;

// ——— agent → coordinator

/**
 * Answer to the challenge. `signature` is the wallet's over the delegation; `proof` the session key's over the
 * challenge's nonce. The delegation names that nonce too, or it is the newest that the coordinator took of this
 * node: then the session resumes, and the wallet need not sign again.
 */
export const HelloFrameSchema = Type.Object(
  {
    type: Type.Literal('hello'),
    protocols: ProtocolsSchema,
    agentVersion: Type.String({ minLength: 1, maxLength: 64, pattern: '^[!-~]+$' }),
    delegation: DelegationSchema,
    signature: Type.String({ pattern: '^0x[0-9a-f]{130}$', maxLength: 132 }),
    proof: Type.String({
      minLength: 1,
      maxLength: 128,
      description: 'Ed25519 over the UTF-8 text "capacloud/session/1\\n" + nonce, base64.',
    }),
    offer: OfferSchema,
    /** False while the owner pauses or drains: running attempts go on, none is added. */
    accepting: Type.Boolean(),
    /** Attempts that the agent holds (running or not yet reported to the end). */
    attempts: attemptRefs(0),
  },
  closed,
);
export type HelloFrame = Static<typeof HelloFrameSchema>;

export const AttemptStageSchema = Type.Union([
  Type.Literal('pulling'),
  Type.Literal('starting'),
  Type.Literal('running'),
  Type.Literal('uploading'),
]);
export type AttemptStage = Static<typeof AttemptStageSchema>;

/**
 * Ids of an agent's reports rise. The agent keeps each until it is acknowledged and sends it again in a new
 * session; the coordinator takes a repeated one as already done, because attempts are fenced by number.
 */
const reportId = seq;
export const ProgressItemSchema = Type.Object(
  {
    kind: Type.Literal('progress'),
    id: reportId,
    task: TaskIdSchema,
    attempt: AttemptNumberSchema,
    stage: AttemptStageSchema,
    atMs: count,
  },
  closed,
);
export const FinishedItemSchema = Type.Object(
  { kind: Type.Literal('finished'), id: reportId, receipt: ReceiptSchema },
  closed,
);
export const ReportItemSchema = Type.Union([ProgressItemSchema, FinishedItemSchema]);
export type ReportItem = Static<typeof ReportItemSchema>;

/** Durable reports in order. `signature` (base64) covers the receipts among them and is there when there are any. */
export const ReportFrameSchema = Type.Object(
  {
    type: Type.Literal('report'),
    ...sequenced,
    /**
     * An attempt may have two receipts: an agent refuses an assignment again that is sent again before its first word has come
     * through. The core takes the first.
     */
    items: distinct(Type.Array(ReportItemSchema, { minItems: 1, maxItems: wireLimits.itemsPerReport }), [
      'id',
    ]),
    signature: Type.Optional(Type.String({ maxLength: 128 })),
  },
  closed,
);
export type ReportFrame = Static<typeof ReportFrameSchema>;

/** What may be lost without harm: load, and how far pulls have come. */
export const HeartbeatFrameSchema = Type.Object(
  {
    type: Type.Literal('heartbeat'),
    ...sequenced,
    n: seq,
    load: Type.Object({ cpuMilli: count, memoryFreeBytes: count, diskFreeBytes: count }, closed),
    pulls: PullsSchema,
  },
  closed,
);
export type HeartbeatFrame = Static<typeof HeartbeatFrameSchema>;

/** The offer changed (a device fell ill, the owner paused). */
export const OfferFrameSchema = Type.Object(
  { type: Type.Literal('offer'), ...sequenced, offer: OfferSchema, accepting: Type.Boolean() },
  closed,
);
export type OfferFrame = Static<typeof OfferFrameSchema>;

export type AgentFrame = HelloFrame | ReportFrame | HeartbeatFrame | OfferFrame;

/** The text that the session key signs to prove that it is there, now. */
export function sessionProofMessage(nonce: string): string {
  return `capacloud/session/1\n${nonce}`;
}

/** Best version that both sides speak. */
export function chooseProtocol(ours: readonly number[], theirs: readonly number[]): number | undefined {
  return ours.find((version) => theirs.includes(version));
}
