import { wireLimits } from '@capacloud/protocol/wire/frames';
import { defaultJoinLimits, type JoinLimits } from '../join-limits.ts';

/** Bounds of the gateway beyond those of the wire. Every one is enforced and tested. */
export interface GatewayLimits extends JoinLimits {
  /** Sockets that have not proven who they are: in all, and of one address. */
  readonly unauthenticated: number;
  readonly unauthenticatedPerAddress: number;
  /** Of those in all, places that strangers cannot take from addresses that nodes of ours spoke from. */
  readonly unauthenticatedKnown: number;
  /** Bytes that came of first frames which are not complete, of all sockets together. */
  readonly handshakeBytes: number;
  /** Sockets that were refused and that the peer has not closed yet. */
  readonly closing: number;
  readonly sessions: number;
  readonly handshakeTimeoutMs: number;
  readonly heartbeatMs: number;
  /** Silence after which a session is closed. */
  readonly idleMs: number;
  /** Bytes waiting in one socket before its session is given up. */
  readonly bufferedBytes: number;
  /** Report frames of one session that are not durable yet; reading pauses there. */
  readonly reportsInFlight: number;
  /** Items of reports that are not durable yet; reading pauses there as well. */
  readonly reportItemsInFlight: number;
  /** Of a node, over all its sessions. */
  readonly framesPerSecond: number;
  readonly framesBurst: number;
  readonly reportItemsPerSecond: number;
  readonly reportItemsBurst: number;
  readonly sessionsOfNodePerSecond: number;
  readonly sessionsOfNodeBurst: number;
  /** The least time from one offer of a node to the next. */
  readonly offerIntervalMs: number;
  readonly offersPerMinute: number;
  readonly offersBurst: number;
  /** Of all nodes of one address. */
  readonly framesOfAddressPerSecond: number;
  readonly framesOfAddressBurst: number;
  readonly offersOfAddressPerSecond: number;
  readonly offersOfAddressBurst: number;
  /** Delegations of one address that no wallet had signed. */
  readonly forgeriesPerSecond: number;
  readonly forgeriesBurst: number;
  /** Nodes and addresses whose rates are remembered, the most recent ones. */
  readonly ratedNodes: number;
  readonly ratedAddresses: number;
  /** After a refusal the peer has so long to close before its socket is cut. */
  readonly closeTimeoutMs: number;
  /** An assignment without a sign of life is sent again after this. */
  readonly resendMs: number;
  /** A node that says nothing of an attempt which has to go is asked after this. */
  readonly releaseMs: number;
  /** Share of the heap at which no node is taken in that is not known. */
  readonly maxHeapShare: number;
  /** Threads that check wallet signatures. */
  readonly verifierThreads: number;
  /** Delegations that wait for them: of known addresses, and as many of strangers. */
  readonly unverified: number;
}

export const defaultGatewayLimits: GatewayLimits = {
  unauthenticated: 8192,
  unauthenticatedPerAddress: 1024,
  unauthenticatedKnown: 2048,
  handshakeBytes: 64 * 2 ** 20,
  closing: 512,
  sessions: 20_000,
  handshakeTimeoutMs: wireLimits.handshakeTimeoutMs,
  heartbeatMs: 5000,
  idleMs: 20_000,
  bufferedBytes: 4 * 2 ** 20,
  reportsInFlight: 64,
  reportItemsInFlight: 4096,
  framesPerSecond: wireLimits.framesPerSecond,
  framesBurst: wireLimits.framesBurst,
  reportItemsPerSecond: 2000,
  reportItemsBurst: 20_000,
  sessionsOfNodePerSecond: 1,
  sessionsOfNodeBurst: 80,
  offerIntervalMs: 1000,
  offersPerMinute: 6,
  offersBurst: 20,
  framesOfAddressPerSecond: 10_000,
  framesOfAddressBurst: 100_000,
  offersOfAddressPerSecond: 20,
  offersOfAddressBurst: 20_000,
  forgeriesPerSecond: 1,
  forgeriesBurst: 50,
  ratedNodes: 65_536,
  ratedAddresses: 65_536,
  closeTimeoutMs: 2000,
  resendMs: 10_000,
  releaseMs: 120_000,
  maxHeapShare: 2 / 3,
  ...defaultJoinLimits,
  verifierThreads: 1,
  unverified: 2048,
};
