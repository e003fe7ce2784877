import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from '@capacloud/core/contract/command';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import { createState } from '@capacloud/core/state';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { AccountId, NodeId, TaskId } from '@capacloud/protocol/ids';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import { pino } from 'pino';
import { type Api, createApi } from '../api/api.ts';
import type { ApiDependencies } from '../api/dependencies.ts';
import type { ArtifactRoom } from '../artifacts/artifact-room.ts';
import { ClientAddresses } from '../client-addresses.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { defaultJoinLimits } from '../join-limits.ts';
import { CommandSequencer } from '../log/command-sequencer.ts';
import { sequencerLimits } from '../log/sequencer-limits.ts';
import type { DiskRoom } from '../ports/disk-room.ts';
import type { PullProgress } from '../ports/live-activity.ts';
import type { LogPort } from '../ports/log.ts';
import type { Questions } from '../ports/questions.ts';
import type { Outcome } from '../ports/sequencer.ts';
import type { AgentIdentity } from '../ports/session-tokens.ts';
import { createQuestions } from '../questions/questions.ts';
import { openRooms, type RoomParts } from '../rooms.ts';
import { openStore, type Store } from '../store/store.ts';
import { endlessDisk } from './endless-disk.ts';
import { openTestTransparency } from './test-transparency.ts';
import { unsignedReceipt } from './workload.ts';

export const operatorAccount = 'acc_operator' as AccountId;
export const consumerAccount = 'acc_ada' as AccountId;
const providerAccount = `0x${'11'.repeat(20)}` as AccountId;
export const testNode = `node_${'22'.repeat(20)}` as NodeId;
export const agentToken = 'ccs_agent';

export const testOffer: Offer = {
  cpuMilli: 8000,
  memoryBytes: 2 ** 34,
  diskBytes: 2 ** 36,
  slots: 16,
  devices: [],
  arch: 'amd64',
  allowRoot: false,
  ask: { cpuHourNano: '1000', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '0' },
};

interface TestOptions {
  readonly config?: Partial<RoomParts['config']>;
  readonly connections?: Partial<Pick<ApiDependencies, 'clients' | 'connectionBounds'>>;
  readonly diskSpace?: RoomParts['diskSpace'];
  readonly disk?: DiskRoom;
  /** Of the sequencer. */
  readonly waitingCommands?: number;
  /** A test may put another log between the sequencer and the store. */
  readonly wrapLog?: (log: LogPort) => LogPort;
}

export const endless = { perSecond: 2 ** 40, burst: 2 ** 40 };

const config: Omit<RoomParts['config'], 'dataDir'> = {
  name: 'capacloud.test',
  chainId: 31337,
  usdPerCapa: '0.10',
  defaultMaxRateNano: 1_000_000n,
  corsOrigins: [],
  maxArtifactBytes: 2 ** 26,
  accountArtifactBytes: 2 ** 28,
  totalArtifactBytes: 2 ** 30,
  logDays: 30,
  jobLogBytes: 2 ** 30,
  joins: defaultJoinLimits,
  rates: { account: endless, address: endless, anonymous: endless, jobBytes: endless },
};

/** The real rooms on the real log and store, and the API on a real socket; commands stand in for the sessions of agents. */
export class TestCoordinator {
  readonly dataDir: string;
  readonly store: Store;
  readonly sequencer: CommandSequencer;
  readonly questions: Questions;
  readonly gateway: Gateway;
  readonly room: ArtifactRoom;
  readonly api: Api;
  readonly tokens: Map<string, AgentIdentity>;
  readonly pulls: Map<TaskId, PullProgress>;
  readonly failures: Error[];
  url = '';
  operatorKey = '';
  consumerKey = '';

  constructor(parts: Omit<TestCoordinator, 'url' | 'operatorKey' | 'consumerKey' | MethodNames>) {
    this.dataDir = parts.dataDir;
    this.store = parts.store;
    this.sequencer = parts.sequencer;
    this.questions = parts.questions;
    this.gateway = parts.gateway;
    this.room = parts.room;
    this.api = parts.api;
    this.tokens = parts.tokens;
    this.pulls = parts.pulls;
    this.failures = parts.failures;
  }

  async call(
    method: string,
    path: string,
    options: {
      key?: string | undefined;
      json?: unknown;
      body?: string | Uint8Array<ArrayBuffer>;
      headers?: Record<string, string>;
    } = {},
  ): Promise<Response> {
    const { key = this.consumerKey, json, body, headers } = options;
    return fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(key === '' ? {} : { authorization: `Bearer ${key}` }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? (body === undefined ? {} : { body }) : { body: JSON.stringify(json) }),
    });
  }

  async do(command: Command): Promise<Outcome> {
    const outcome = await this.sequencer.submit(command);
    if (!outcome.ok) throw new Error(`${command.type}: ${outcome.refusal.message}`);
    return outcome;
  }

  async addKey(account: AccountId, scopes: string, expiresAt?: number): Promise<string> {
    const secret = `cck_${randomBase32(40)}`;
    await this.sequencer.record([
      {
        kind: 'api_key',
        hash: sha256Hex(secret),
        id: `key_${randomBase32(12)}`,
        account,
        scopes,
        name: 'test',
        createdAt: Date.now(),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      },
    ]);
    return secret;
  }

  connectNode(change: Partial<Offer> = {}): Promise<Outcome> {
    return this.do({
      type: 'node.connect',
      at: Date.now(),
      node: testNode,
      provider: providerAccount,
      offer: { ...testOffer, ...change },
      accepting: true,
      held: [],
    });
  }

  progress(task: TaskId, attempt: number, stage: 'pulling' | 'starting' | 'running' | 'uploading') {
    return this.do({ type: 'attempt.progress', at: Date.now(), node: testNode, task, attempt, stage });
  }

  /** What the gateway does with a receipt. */
  async finish(
    task: TaskId,
    attempt: number,
    result: Partial<
      Pick<Receipt, 'reason' | 'exitCode' | 'message' | 'outputs' | 'links' | 'skipped' | 'imageRunsOn'>
    > = {},
  ): Promise<void> {
    const { reason = 'completed', exitCode = 0, outputs = [], ...more } = result;
    const receipt: Receipt = {
      version: 1,
      node: testNode,
      task,
      attempt,
      nonce: '0'.repeat(32),
      reason,
      exitCode,
      oomKilled: false,
      outputs,
      log: { sizeBytes: 0, truncated: false },
      ...more,
    };
    const text = canonicalJson(receipt);
    const outcome = await this.sequencer.submit(
      {
        type: 'attempt.finish',
        at: Date.now(),
        node: testNode,
        task,
        attempt,
        reason,
        exitCode,
        ...(receipt.imageRunsOn === undefined ? {} : { imageRunsOn: receipt.imageRunsOn }),
        receipt: sha256Hex(text),
        claimedRunMs: 1000,
      },
      (events) => unsignedReceipt(events, task, attempt, text),
    );
    if (!outcome.ok) throw new Error(outcome.refusal.message);
  }

  async close(): Promise<void> {
    await this.api.app.close();
    await this.sequencer.close();
    await this.gateway.drain(AbortSignal.abort());
    await this.room.close();
    await this.store.close();
    await rm(this.dataDir, { recursive: true, force: true });
    if (this.failures[0] !== undefined) throw this.failures[0];
  }
}
type MethodNames = 'call' | 'do' | 'addKey' | 'connectNode' | 'progress' | 'finish' | 'close';

function randomBase32(length: number): string {
  return Array.from(randomBytes(length), (byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte & 31]).join('');
}

/** A new coordinator with an operator, a consumer with 1,000 CAPA, and a token for the agent of `testNode`. */
export async function startCoordinator(options: TestOptions = {}): Promise<TestCoordinator> {
  const dataDir = await mkdtemp(join(tmpdir(), 'capacloud-api-'));
  const { disk = endlessDisk, waitingCommands = 65_536 } = options;
  const store = await openStore(dataDir);
  const failures: Error[] = [];
  const sequencer = new CommandSequencer({
    state: createState(),
    log: options.wrapLog?.(store.log) ?? store.log,
    fencingEpoch: store.fencingEpoch,
    projection: store.projection,
    disk,
    now: Date.now,
    onFatal: (error) => failures.push(error),
    limits: { ...sequencerLimits, waitingCommands },
  });
  const engine = {
    disk,
    questions: createQuestions(sequencer, Date.now),
    sequencer,
    store,
    transparency: openTestTransparency(dataDir, store),
  };
  const rooms = await openRooms({
    engine,
    config: { ...config, ...options.config, dataDir },
    version: '0.0.0',
    clients: new ClientAddresses([]),
    logger: pino({ level: 'silent' }),
    now: Date.now,
    randomBytes,
    diskSpace: options.diskSpace,
  });
  const tokens = new Map<string, AgentIdentity>();
  const pulls = new Map<TaskId, PullProgress>();
  const standIns: Pick<ApiDependencies, 'live' | 'sessions'> = {
    sessions: { resolve: (token) => tokens.get(token) },
    live: { get: (task) => pulls.get(task) },
  };
  const api = createApi({ ...rooms.api, ...options.connections, ...standIns }, pino({ level: 'silent' }));
  const { artifacts: room, gateway } = rooms;
  const coordinator = new TestCoordinator({
    dataDir,
    store,
    sequencer,
    questions: engine.questions,
    gateway,
    room,
    api,
    tokens,
    pulls,
    failures,
  });
  await addAccounts(coordinator);
  await api.app.listen({ port: 0, host: '127.0.0.1' });
  coordinator.url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
  return coordinator;
}

async function addAccounts(coordinator: TestCoordinator): Promise<void> {
  const at = Date.now();
  await coordinator.do({ type: 'log.open', at, origin: 'capacloud.test', ruleset: defaultRuleset });
  await coordinator.do({ type: 'account.open', at, account: operatorAccount });
  await coordinator.do({ type: 'account.open', at, account: consumerAccount });
  const amountNano = 10n ** 12n;
  await coordinator.do({ type: 'account.credit', at, account: consumerAccount, amountNano, ref: 'first' });
  coordinator.operatorKey = await coordinator.addKey(operatorAccount, 'operator');
  coordinator.consumerKey = await coordinator.addKey(consumerAccount, 'consumer');
  coordinator.tokens.set(agentToken, { node: testNode, provider: providerAccount });
}
