import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import { type Assignment } from '@capacloud/protocol/wire/frames';
import { keptOutputsProtocol } from '@capacloud/protocol/wire/protocol-versions';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import { ReceiptSchema } from '@capacloud/protocol/wire/receipt-schema';
import { pino } from 'pino';
import { Compile } from 'typebox/compile';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Lease } from '../core/lease.ts';
import {
  type AttemptKey,
  attemptKeyText,
  type ClaimStart,
  type CollectedOutputs,
  EngineUnavailable,
  type LogChunk,
  type ObservedAttempt,
  type PlacedArchive,
  type PlacedInput,
  type Runtime,
  type RuntimeFailure,
} from '../core/ports.ts';
import { say } from '../core/sentence.ts';
import { InputCache } from '../features/inputs/input-cache.ts';
import { AttemptLogs } from '../features/logs/attempt-logs.ts';
import { openDatabase } from '../journal/schema.ts';
import { SqliteJournal } from '../journal/sqlite-journal.ts';
import { CoordinatorHttp } from '../transfer/coordinator-http.ts';
import { Executor } from './executor.ts';

const task = `job_${'a'.repeat(20)}.0` as TaskId;
const node = `node_${'1'.repeat(40)}` as NodeId;
const validReceipt = Compile(ReceiptSchema);
const sha = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex') as Sha256Hex;

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 1500; tries++) {
    if (condition()) return;
    await sleep(10);
  }
  throw new Error(`never came true: ${what}`);
}

interface Box {
  state: ObservedAttempt;
  log: string;
  inputs: string[];
  /** What was unpacked into its checkpoint folder. */
  restored?: string | undefined;
}

/** An engine in memory: containers run until the test or a stop ends them, and outlive the executor. */
class MemoryEngine implements Runtime {
  readonly boxes = new Map<string, Box>();
  readonly calls: string[] = [];
  down = false;
  /** It is killed after its next start, and does not know of it then. */
  forgetsStart = false;
  starts = 0;
  output: string | undefined;
  /** What else collecting shows. */
  kept: Partial<CollectedOutputs> = {};
  /** Archive of the checkpoint folder; undefined when it is empty. */
  checkpoint: string | undefined;
  saveFailure: RuntimeFailure | undefined;
  pullFailure: RuntimeFailure | undefined;
  hangs = new Set<string>();

  #call(name: string): void {
    this.calls.push(name);
    if (this.down) throw new EngineUnavailable('the engine is down');
  }
  async #hang(name: string, signal: AbortSignal): Promise<void> {
    if (this.hangs.has(name)) await sleep(1e8, undefined, { signal });
  }
  box(key: AttemptKey): Box {
    const box = this.boxes.get(attemptKeyText(key));
    if (box === undefined) throw new Error('no such container');
    return box;
  }
  end(key: AttemptKey, change: Partial<ObservedAttempt> = {}): void {
    const box = this.box(key);
    box.state = { ...box.state, container: 'exited', exitCode: 0, finishedAtMs: Date.now(), ...change };
  }
  async ping() {
    return { version: '20.10', runtimes: [] };
  }
  async observe() {
    this.#call('observe');
    return [...this.boxes.values()].map((box) => box.state);
  }
  async pull(
    assignment: Assignment,
    onProgress: (progress: { doneBytes: number; totalBytes: number }) => void,
    signal: AbortSignal,
  ) {
    this.#call('pull');
    onProgress({ doneBytes: 1, totalBytes: 2 });
    await this.#hang('pull', signal);
    if (this.pullFailure !== undefined) return { ok: false as const, refusal: this.pullFailure };
    return { ok: true as const, value: { image: `sha256:${assignment.image}` } };
  }
  async prepare(
    assignment: Assignment,
    inputs: readonly PlacedInput[],
    signal: AbortSignal,
    saved?: PlacedArchive,
  ) {
    this.#call('prepare');
    await this.#hang('prepare', signal);
    const key = { task: assignment.task, attempt: assignment.attempt };
    const state: ObservedAttempt = { key, container: 'created', oomKilled: false, scratch: true };
    this.boxes.set(attemptKeyText(key), {
      state,
      log: '',
      inputs: inputs.map((input) => readFileSync(input.localPath, 'utf8')),
      restored: saved === undefined ? undefined : readFileSync(saved.localPath, 'utf8'),
    });
    return { ok: true as const, value: undefined };
  }
  async start(assignment: Assignment, claim: ClaimStart) {
    this.#call('start');
    const box = this.box(assignment);
    if (box.state.container === 'created') {
      if (!claim())
        return { ok: false as const, refusal: { reason: 'engine_lost' as const, message: say`It forgot.` } };
      this.starts += 1;
      if (this.forgetsStart) {
        this.forgetsStart = false;
        throw new EngineUnavailable('the engine was killed');
      }
      box.state = { ...box.state, container: 'running', startedAtMs: Date.now() };
    }
    return { ok: true as const, value: undefined };
  }
  async wait(key: AttemptKey, signal: AbortSignal) {
    this.calls.push('wait');
    for (;;) {
      const state = this.boxes.get(attemptKeyText(key))?.state;
      if (state === undefined) return { key, container: 'absent' as const, oomKilled: false, scratch: false };
      if (state.container !== 'running') return state;
      await sleep(5, undefined, { signal });
    }
  }
  async followLogs(
    key: AttemptKey,
    skipBytes: number,
    sink: (chunk: LogChunk) => Promise<void>,
    signal: AbortSignal,
  ) {
    let at = skipBytes;
    for (;;) {
      const box = this.boxes.get(attemptKeyText(key));
      if (box === undefined) return;
      const ended = box.state.container !== 'running';
      const bytes = Buffer.from(box.log).subarray(at, at + 1_000_000);
      at += bytes.length;
      if (bytes.length > 0) await sink({ stream: 'stdout', bytes });
      else if (ended) return;
      await sleep(5, undefined, { signal });
    }
  }
  async stop(key: AttemptKey) {
    this.#call('stop');
    if (this.boxes.get(attemptKeyText(key))?.state.container === 'running') this.end(key, { exitCode: 137 });
  }
  async collect(assignment: Assignment, intoDir: string) {
    this.#call('collect');
    if (this.output === undefined && assignment.outputs.length > 0) {
      return {
        ok: false as const,
        refusal: { reason: 'output_missing' as const, message: say`it is not there` },
      };
    }
    const files: { path: string; sizeBytes: number; sha256: Sha256Hex; localPath: string }[] = [];
    if (this.output !== undefined) {
      mkdirSync(intoDir, { recursive: true });
      const localPath = join(intoDir, '0');
      writeFileSync(localPath, this.output);
      files.push({
        path: '/out/a.txt',
        sizeBytes: Buffer.byteLength(this.output),
        sha256: sha(this.output),
        localPath,
      });
    }
    const value: CollectedOutputs = { files, scratchUsedBytes: 0, scratchFull: false, ...this.kept };
    return { ok: true as const, value };
  }
  async save(assignment: Assignment, intoFile: string, signal: AbortSignal) {
    this.#call('save');
    await this.#hang('save', signal);
    if (this.saveFailure !== undefined) return { ok: false as const, refusal: this.saveFailure };
    if (this.checkpoint === undefined) return { ok: true as const, value: undefined };
    writeFileSync(intoFile, this.checkpoint, { flag: 'wx' });
    const sizeBytes = Buffer.byteLength(this.checkpoint);
    const path = assignment.checkpoint?.path ?? '';
    return {
      ok: true as const,
      value: { path, sizeBytes, sha256: sha(this.checkpoint), localPath: intoFile },
    };
  }
  pidsExhausted() {
    return false;
  }
  async remove(key: AttemptKey) {
    this.#call('remove');
    this.boxes.delete(attemptKeyText(key));
  }
}

/** The coordinator's artifact and log routes. */
class Store {
  readonly artifacts = new Map<string, { bytes: Buffer; size: number }>();
  readonly logs = new Map<string, { bytes: Buffer; final: boolean }>();
  readonly server: Server;
  /** Requests that are answered with 503, or whose connection is cut after the work was done. */
  fail = 0;
  cut = 0;
  /** Announcements and chunks are answered with this code. */
  full: string | undefined;
  /** Whose outputs each announcement said that it was. */
  readonly announced: (string | undefined)[] = [];

  constructor() {
    this.server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const url = new URL(request.url ?? '', 'http://x');
        if (request.headers.authorization !== 'Bearer good') return void response.writeHead(401).end();
        if (this.fail-- > 0) return void response.writeHead(503).end();
        const [status, body] = this.answer(request, url, Buffer.concat(parts));
        if (this.cut-- > 0) return void request.socket.destroy();
        response.writeHead(status).end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
      });
    });
  }
  answer(request: IncomingMessage, url: URL, body: Buffer): [number, object | Buffer] {
    const log = /^\/v1\/tasks\/(.+)\/attempts\/(.+)\/log$/.exec(url.pathname);
    if (log !== null) {
      const key = `${log[1]}-${log[2]}`;
      const have = this.logs.get(key) ?? { bytes: Buffer.alloc(0), final: false };
      if (Number(url.searchParams.get('offset')) !== have.bytes.length) {
        return [409, { code: 'artifact.offset_mismatch', offset: have.bytes.length }];
      }
      const bytes = Buffer.concat([have.bytes, body]);
      this.logs.set(key, { bytes, final: url.searchParams.get('final') === 'true' });
      return [200, { offset: bytes.length }];
    }
    if (this.full !== undefined && request.method !== 'GET') {
      this.announced.push(String(request.headers['capacloud-attempt']));
      return [507, { code: this.full, detail: 'There is no room.' }];
    }
    if (request.method === 'POST') {
      const { sha256, size_bytes: size } = JSON.parse(body.toString()) as {
        sha256: string;
        size_bytes: number;
      };
      if (!this.artifacts.has(sha256)) this.artifacts.set(sha256, { bytes: Buffer.alloc(0), size });
      return [201, this.view(sha256)];
    }
    const sha256 = url.pathname.slice('/v1/artifacts/'.length);
    const artifact = this.artifacts.get(sha256);
    if (artifact === undefined) return [404, { code: 'request.not_found' }];
    if (request.method === 'GET') {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      return [from > 0 ? 206 : 200, artifact.bytes.subarray(from)];
    }
    if (Number(request.headers['upload-offset']) !== artifact.bytes.length)
      return [409, { code: 'artifact.offset_mismatch' }];
    artifact.bytes = Buffer.concat([artifact.bytes, body]);
    return [200, this.view(sha256)];
  }
  view(sha256: string): object {
    const { bytes, size } = this.artifacts.get(sha256) ?? { bytes: Buffer.alloc(0), size: 0 };
    return { sha256, size_bytes: size, offset: bytes.length, complete: bytes.length === size };
  }
}

describe('the executor', () => {
  let dir: string;
  let engine: MemoryEngine;
  let store: Store;
  let isClosed = false;
  let life: {
    database: ReturnType<typeof openDatabase>;
    journal: SqliteJournal;
    executor: Executor;
    lease: Lease;
    stop: AbortController;
    running: Promise<void>;
    cache: InputCache;
  };
  let bootMs: number;
  let offer: Offer;
  let token: string | undefined;
  const wholeOffer = {
    cpuMilli: 4000,
    memoryBytes: 1e9,
    diskBytes: 1e9,
    slots: 2,
    devices: [],
    allowRoot: false,
  } as unknown as Offer;

  function assignment(attempt: number, change: Partial<Assignment> = {}): Assignment {
    return {
      task,
      attempt,
      nonce: '0'.repeat(32),
      image: 'busybox',
      env: {},
      resources: { cpuMilli: 100, memoryBytes: 1024, diskBytes: 0, shmBytes: 0 },
      devices: [],
      inputs: [],
      outputs: [],
      taskIndex: 0,
      taskCount: 1,
      pullTimeoutMs: 60_000,
      startTimeoutMs: 60_000,
      runTimeoutMs: 60_000,
      uploadTimeoutMs: 60_000,
      stopGraceMs: 100,
      ...change,
    };
  }
  function begin(): void {
    const database = openDatabase(join(dir, 'journal.db'));
    const journal = new SqliteJournal(database, 'test', 0);
    const { port } = store.server.address() as AddressInfo;
    const access = {
      baseUrl: `http://127.0.0.1:${port}`,
      token: () => token,
      protocol: () => (token === undefined ? undefined : keptOutputsProtocol),
      whenOpen: async (signal: AbortSignal) => {
        while (token === undefined) await sleep(5, undefined, { signal });
      },
    };
    const http = new CoordinatorHttp(access);
    const log = pino({ level: 'silent' });
    const logs: AttemptLogs = new AttemptLogs({
      dir: join(dir, 'logs'),
      http,
      journal,
      log,
      onDone: () => executor.onChange(),
    });
    const lease = new Lease(1e9);
    const cache = new InputCache(join(dir, 'inputs'), 10, http);
    const executor: Executor = new Executor({
      node,
      outputsDir: join(dir, 'outputs'),
      runtime: engine,
      journal,
      logs,
      inputs: cache,
      http,
      access,
      log,
      lease,
      clock: { nowMs: () => Date.now(), bootMs: () => bootMs, bootId: 'boot' },
      offer: () => offer,
      isClosed: () => isClosed,
      load: () => ({ cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 }),
      notifySession: () => {},
    });
    const stop = new AbortController();
    life = { database, journal, executor, lease, stop, running: executor.run(stop.signal), cache };
  }
  async function end(): Promise<void> {
    life.stop.abort();
    await life.running;
    life.journal.close();
  }
  async function ready(): Promise<void> {
    await until(() => life.executor.engineReachable, 'engine');
    life.executor.onDesired([]);
  }
  function phase(attempt: number): string | undefined {
    return life.journal.attempt({ task, attempt })?.phase;
  }
  async function running(attempt: number): Promise<void> {
    await until(
      () => engine.boxes.get(attemptKeyText({ task, attempt }))?.state.container === 'running',
      'running',
    );
  }
  function receipts(): readonly Receipt[] {
    return life.journal.outbox(0, 1000).flatMap((item) => (item.kind === 'finished' ? [item.receipt] : []));
  }
  async function finished(attempt: number): Promise<Receipt> {
    await until(() => receipts().some((receipt) => receipt.attempt === attempt), `receipt of ${attempt}`);
    const receipt = receipts().find((entry) => entry.attempt === attempt) as Receipt;
    expect(validReceipt.Check(receipt)).toBe(true);
    return receipt;
  }

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'capacloud-executor-'));
    engine = new MemoryEngine();
    offer = wholeOffer;
    store = new Store();
    store.server.listen(0, '127.0.0.1');
    await once(store.server, 'listening');
    bootMs = 0;
    token = 'good';
    begin();
  });
  afterEach(async () => {
    await end();
    store.server.closeAllConnections();
    store.server.close();
    rmSync(dir, { recursive: true });
  });

  test('does not spin where the journal cannot be written, and goes on when it can', async () => {
    await ready();
    life.executor.onAssign([assignment(1)]);
    const save = vi.spyOn(life.journal, 'save').mockImplementation(() => {
      throw new Error('database or disk is full');
    });
    await until(() => save.mock.calls.length > 0, 'a step');
    await sleep(300);
    expect(engine.calls.filter((call) => call === 'pull')).toHaveLength(1);
    save.mockRestore();
    await running(1);
  });

  test('a disk that takes no writes pauses the node, and nothing is lost', async () => {
    await ready();
    life.executor.onAssign([assignment(1), assignment(2)]);
    await running(1);
    await running(2);
    life.database.pragma('query_only = 1');
    // Each comes from a handler of a socket.
    life.executor.onAssign([assignment(3), assignment(4)]);
    life.executor.onStop([{ task, attempt: 4 }]);
    engine.box({ task, attempt: 1 }).log += 'while the disk was full\n';
    engine.end({ task, attempt: 1 });
    life.executor.onDesired([1, 3].map((attempt) => ({ task, attempt })));
    await until(() => engine.box({ task, attempt: 2 }).state.container !== 'running', 'the stop');
    await until(() => !life.executor.node().accepting, 'the pause');
    expect(receipts()).toEqual([]);
    life.database.pragma('query_only = 0');
    expect(await finished(1)).toMatchObject({ reason: 'completed', log: { sizeBytes: 24 } });
    expect(await finished(2)).toMatchObject({ reason: 'stopped' });
    await running(3);
    expect(phase(4)).toBeUndefined();
    await until(() => life.executor.node().accepting, 'new work');
  });

  test('takes an attempt from assignment to acknowledgement and leaves nothing behind', async () => {
    const input = 'the input, which is longer than the cache';
    store.artifacts.set(sha(input), { bytes: Buffer.from(input), size: input.length });
    engine.output = 'x'.repeat(5_000_000);
    await ready();
    const inputs = [{ sha256: sha(input), sizeBytes: input.length, target: '/in/a' }];
    life.executor.onAssign([assignment(1, { inputs, outputs: [{ path: '/out/a.txt', maxBytes: 1e9 }] })]);
    await running(1);
    engine.box({ task, attempt: 1 }).log += 'hello\n';
    await until(() => store.logs.get(`${task}-1`)?.bytes.toString() === 'hello\n', 'log while it runs');
    engine.box({ task, attempt: 1 }).log += 'bye\n';
    store.fail = 2;
    store.cut = 1;
    engine.end({ task, attempt: 1 });
    const receipt = await finished(1);
    expect(receipt).toMatchObject({
      reason: 'completed',
      exitCode: 0,
      image: 'sha256:busybox',
      log: { sizeBytes: 10, truncated: false },
      outputs: [{ path: '/out/a.txt', sizeBytes: 5_000_000, sha256: sha(engine.output) }],
    });
    expect(engine.boxes.size).toBe(0);
    expect(store.artifacts.get(sha(engine.output))?.bytes.toString()).toBe(engine.output);
    await until(() => store.logs.get(`${task}-1`)?.final === true, 'end of the log');
    expect(store.logs.get(`${task}-1`)?.bytes.toString()).toBe('hello\nbye\n');
    await until(() => phase(1) === 'settled', 'settled');
    const stages = life.journal
      .outbox(0, 10)
      .map((item) => (item.kind === 'progress' ? item.stage : item.kind));
    expect(stages).toEqual(['pulling', 'starting', 'running', 'uploading', 'finished']);
    life.journal.acknowledge(1000);
    life.executor.onChange();
    await until(() => phase(1) === undefined, 'forgotten');
    expect(
      ['logs', 'outputs', 'inputs'].flatMap((name) =>
        existsSync(join(dir, name)) ? readdirSync(join(dir, name)) : [],
      ),
    ).toEqual([]);
  });

  // START-1
  test('a restart adopts what runs and starts nothing twice', async () => {
    await ready();
    life.executor.onAssign([assignment(1)]);
    await running(1);
    engine.box({ task, attempt: 1 }).log += 'before ';
    await until(() => store.logs.get(`${task}-1`)?.bytes.length === 7, 'log');
    await end();
    engine.box({ task, attempt: 1 }).log += 'between ';
    begin();
    await until(() => engine.calls.filter((call) => call === 'wait').length === 2, 'adopted');
    engine.box({ task, attempt: 1 }).log += 'after';
    engine.end({ task, attempt: 1 });
    expect(await finished(1)).toMatchObject({ reason: 'completed' });
    expect(engine.calls.filter((call) => call === 'start' || call === 'prepare' || call === 'pull')).toEqual([
      'pull',
      'prepare',
      'start',
    ]);
    await until(() => store.logs.get(`${task}-1`)?.final === true, 'log');
    expect(store.logs.get(`${task}-1`)?.bytes.toString()).toBe('before between after');
  });

  // LEASE-3
  test('a coordinator that is away does not touch the work; the lapse of the lease ends it', async () => {
    await ready();
    life.executor.onAssign([assignment(1), assignment(2)]);
    await running(1);
    await running(2);
    token = undefined;
    life.executor.onChange();
    engine.end({ task, attempt: 1 });
    expect(await finished(1)).toMatchObject({ reason: 'completed' });
    expect(engine.box({ task, attempt: 2 }).state.container).toBe('running');
    bootMs = 2e9;
    expect(await finished(2)).toMatchObject({ reason: 'lease_lapsed' });
    expect(engine.calls).toContain('stop');
  });

  test('stops what the coordinator stops, drops what it does not know, and removes what nobody remembers', async () => {
    await ready();
    life.executor.onAssign([assignment(1), assignment(2)]);
    await running(1);
    await running(2);
    life.executor.onStop([{ task, attempt: 1 }]);
    expect(await finished(1)).toMatchObject({ reason: 'stopped', exitCode: 137 });
    life.executor.onDesired([]);
    // Its node must say that it has let go: until then its room counts as taken.
    expect(await finished(2)).toMatchObject({ reason: 'stopped' });
    await until(() => phase(2) === 'settled', 'dropped');
    expect(engine.boxes.size).toBe(0);
    const ghost = { task, attempt: 77 };
    await end();
    engine.boxes.set(attemptKeyText(ghost), {
      state: { key: ghost, container: 'running', oomKilled: false, scratch: true },
      log: '',
      inputs: [],
    });
    begin();
    await until(() => engine.boxes.size === 0, 'ghost gone');
  });

  test.each<[string, Partial<Assignment>, () => void, string]>([
    ['a pull that hangs', { pullTimeoutMs: 300 }, () => engine.hangs.add('pull'), 'pull_timeout'],
    [
      'an image that is not there',
      {},
      () => {
        engine.pullFailure = { reason: 'image_not_found', message: say`no` };
      },
      'image_not_found',
    ],
    ['a start that hangs', { startTimeoutMs: 300 }, () => engine.hangs.add('prepare'), 'start_timeout'],
    ['a program that runs too long', { runTimeoutMs: 300 }, () => {}, 'run_timeout'],
    [
      'an input that is not there',
      { inputs: [{ sha256: sha('none'), sizeBytes: 4, target: '/in/a' }] },
      () => {},
      'input_unavailable',
    ],
    ['root where the owner does not allow it', { user: '0' }, () => {}, 'refused'],
  ])('%s', async (_, change, prepare, reason) => {
    prepare();
    await ready();
    life.executor.onAssign([assignment(1, change)]);
    expect(await finished(1)).toMatchObject({ reason });
    await until(() => engine.boxes.size === 0, 'nothing left');
  });

  test.each<[string, Partial<ObservedAttempt>, string]>([
    ['a failure', { exitCode: 3 }, 'exit_nonzero'],
    ['a memory kill that exits 0', { oomKilled: true }, 'oom_killed'],
    ['an engine that took it along, exit 0', { engineLost: true }, 'engine_lost'],
    ['a container that broke', { container: 'broken' }, 'engine_lost'],
    ['an output that is not there', {}, 'output_missing'],
  ])('%s', async (_, state, reason) => {
    await ready();
    life.executor.onAssign([assignment(1, { outputs: [{ path: '/out/a.txt', maxBytes: 1 }] })]);
    await running(1);
    engine.end({ task, attempt: 1 }, state);
    expect(await finished(1)).toMatchObject({ reason });
  });

  test.each<[string, Partial<ObservedAttempt>, Partial<CollectedOutputs>, string]>([
    ['a run that failed', { exitCode: 3 }, {}, 'exit_nonzero'],
    ['a memory kill', { exitCode: 137, oomKilled: true }, {}, 'oom_killed'],
    ['a full disk', { exitCode: 1 }, { scratchFull: true }, 'disk_full'],
    [
      'a success that lacks an output',
      {},
      { failure: { reason: 'output_missing', message: say`/out/b.txt: no such file` } },
      'output_missing',
    ],
  ])('brings the outputs of %s, with what it notes of them', async (_, state, kept, reason) => {
    await ready();
    engine.output = 'partial';
    const links = [{ path: '/out/latest', target: 'a.txt' }];
    const skipped = { total: 1, first: [{ path: '/out/pipe', why: 'special' as const }] };
    engine.kept = { links, skipped, ...kept };
    life.executor.onAssign([assignment(1, { outputs: [{ path: '/out', maxBytes: 9 }] })]);
    await running(1);
    engine.end({ task, attempt: 1 }, state);
    const receipt = await finished(1);
    expect(receipt).toMatchObject({ reason, outputs: [{ sha256: sha('partial') }], links, skipped });
    expect(validReceipt.Errors(receipt)).toEqual([]);
    expect(store.artifacts.get(sha('partial'))?.bytes.toString()).toBe('partial');
  });

  test('brings the outputs of a run that took too long, across a restart in the middle', async () => {
    await ready();
    engine.output = 'checkpoint';
    store.fail = 1e9;
    life.executor.onAssign([
      assignment(1, { outputs: [{ path: '/out', maxBytes: 99 }], runTimeoutMs: 50, stopGraceMs: 10 }),
    ]);
    await until(() => phase(1) === 'uploading', 'its outputs are on their way');
    await end();
    begin();
    life.executor.onDesired([{ task, attempt: 1 }]);
    store.fail = 0;
    expect(await finished(1)).toMatchObject({
      reason: 'run_timeout',
      outputs: [{ sha256: sha('checkpoint') }],
    });
  });

  test('a failed run stays the failure that it is when its outputs cannot be uploaded', async () => {
    await ready();
    engine.output = 'partial';
    store.fail = 1e9;
    life.executor.onAssign([
      assignment(1, { outputs: [{ path: '/out', maxBytes: 99 }], uploadTimeoutMs: 100 }),
    ]);
    await running(1);
    engine.end({ task, attempt: 1 }, { exitCode: 3 });
    expect(await finished(1)).toMatchObject({ reason: 'exit_nonzero', exitCode: 3, outputs: [] });
  });

  test('an engine that is down holds work up, and no new work is taken', async () => {
    await ready();
    life.executor.onAssign([assignment(1)]);
    await running(1);
    engine.down = true;
    engine.end({ task, attempt: 1 });
    await until(() => engine.calls.includes('collect'), 'collect was tried');
    expect(receipts()).toEqual([]);
    engine.down = false;
    expect(await finished(1)).toMatchObject({ reason: 'completed' });
  });

  test('just started, it takes what it is sent before the engine has answered', async () => {
    await end();
    begin();
    expect(life.executor.engineReachable).toBe(false);
    life.executor.onDesired([]);
    life.executor.onAssign([assignment(1)]);
    await running(1);
    expect(receipts()).toEqual([]);
  });

  // ADMIT-1
  test('a repeated assignment changes nothing; what has no slot waits for one', async () => {
    await ready();
    life.executor.onAssign([assignment(1), assignment(2), assignment(3)]);
    life.executor.onAssign([assignment(1)]);
    await running(1);
    await running(2);
    await until(() => phase(3) === 'preparing', 'waits');
    expect(engine.boxes.size).toBe(2);
    engine.end({ task, attempt: 1 });
    await running(3);
    expect(life.executor.heldAttempts()).toHaveLength(3);
    expect(engine.calls.filter((call) => call === 'start')).toHaveLength(3);
  });

  test('what the offer became too small for before it began is refused', async () => {
    await ready();
    engine.hangs.add('pull');
    life.executor.onAssign([assignment(1)]);
    await until(() => engine.calls.includes('pull'), 'pulls');
    await end();
    offer = { ...wholeOffer, cpuMilli: 1 };
    engine.hangs.clear();
    begin();
    await until(() => receipts().length === 1, 'reported');
    expect(receipts()).toMatchObject([{ reason: 'refused', message: expect.stringContaining('CPU') }]);
    expect(engine.calls).not.toContain('prepare');
  });

  // START-1
  test('an engine that was killed in a start is not told to start again', async () => {
    await ready();
    engine.forgetsStart = true;
    life.executor.onAssign([assignment(1)]);
    await until(() => receipts().length === 1, 'reported');
    expect(receipts()).toMatchObject([{ reason: 'engine_lost' }]);
    expect(engine.starts).toBe(1);
  });

  test('the token of an old session is no end: the next one is used', async () => {
    await ready();
    engine.output = 'result';
    life.executor.onAssign([assignment(1, { outputs: [{ path: '/out/a.txt', maxBytes: 9 }] })]);
    await running(1);
    token = 'stale';
    engine.end({ task, attempt: 1 });
    await until(() => phase(1) === 'uploading', 'uploading');
    token = 'good';
    expect(await finished(1)).toMatchObject({ reason: 'completed' });
  });

  test('outputs that the coordinator has no room for are kept, past the clock and across a restart', async () => {
    await ready();
    engine.output = 'result';
    store.full = 'artifact.consumer_full';
    const outputs = [{ path: '/out/a.txt', maxBytes: 9 }];
    const resources = { cpuMilli: 3000, memoryBytes: 9e8, diskBytes: 6e8, shmBytes: 0 };
    life.executor.onAssign([assignment(1, { outputs, resources, uploadTimeoutMs: 700 })]);
    await running(1);
    engine.end({ task, attempt: 1 });
    await until(() => store.announced.length > 2, 'refusals');
    expect(new Set(store.announced)).toEqual(new Set([`${task}/1`]));
    expect(phase(1)).toBe('uploading');
    // Its container is gone, and another one gets all but the disk.
    expect(engine.boxes.size).toBe(0);
    life.executor.onAssign([assignment(2, { resources }), assignment(3)]);
    await running(3);
    expect(phase(2)).toBe('preparing');
    await end();
    begin();
    life.executor.onDesired([1, 2, 3].map((attempt) => ({ task, attempt })));
    const before = store.announced.length;
    await until(() => store.announced.length > before, 'another try');
    store.full = undefined;
    expect(await finished(1)).toMatchObject({ reason: 'completed', outputs: [{ sha256: sha('result') }] });
    await running(2);
  });

  test('an output that is larger than the coordinator takes is no fault of the node', async () => {
    await ready();
    engine.output = 'result';
    life.executor.onAssign([assignment(1, { outputs: [{ path: '/out/a.txt', maxBytes: 9 }] })]);
    await running(1);
    vi.spyOn(store, 'answer').mockReturnValue([
      413,
      { code: 'request.too_large', detail: 'It has 6 bytes.' },
    ]);
    engine.end({ task, attempt: 1 });
    expect(await finished(1)).toMatchObject({ reason: 'output_too_large' });
  });

  test('closed by the schedule, it offers no room, and does what was assigned before', async () => {
    await ready();
    expect(life.executor.node().accepting).toBe(true);
    isClosed = true;
    expect(life.executor.node().accepting).toBe(false);
    life.executor.onAssign([assignment(1)]);
    expect(life.journal.attempt({ task, attempt: 1 })).toBeDefined();
    isClosed = false;
  });

  test('paused, it refuses and says so', async () => {
    await ready();
    expect(life.executor.node().accepting).toBe(true);
    life.executor.pause();
    expect(life.executor.node().accepting).toBe(false);
    life.executor.onAssign([assignment(1)]);
    expect(await finished(1)).toMatchObject({ reason: 'refused' });
    expect(engine.boxes.size).toBe(0);
  });

  describe('with a checkpoint folder', () => {
    const checkpoint = { path: '/ckpt', maxBytes: 1000, timeoutMs: 60_000 };
    const archive = 'an archive';
    const saved = { sha256: sha(archive), sizeBytes: archive.length };
    const stopIt = () => life.executor.onStop([{ task, attempt: 1 }]);
    async function begun(change: Partial<NonNullable<Assignment['checkpoint']>> = {}): Promise<void> {
      await ready();
      life.executor.onAssign([assignment(1, { checkpoint: { ...checkpoint, ...change } })]);
      await running(1);
    }
    const stoppedWith = (outputs: object[]) => ({
      reason: 'stopped',
      message: 'Stopped at the request of the coordinator.',
      exitCode: 137,
      outputs,
    });
    const named = { path: '/ckpt', sha256: sha(archive), sizeBytes: archive.length };
    const left = () => readdirSync(join(dir, 'outputs'));

    test('a stop saves it, and the report names it when it is uploaded', async () => {
      engine.checkpoint = archive;
      await begun();
      token = 'stale';
      stopIt();
      await until(() => phase(1) === 'uploading', 'uploading');
      // Its room is free before the upload ends.
      await until(() => engine.boxes.size === 0, 'removed');
      expect(receipts()).toEqual([]);
      store.fail = 1;
      store.cut = 1;
      token = 'good';
      expect(await finished(1)).toMatchObject(stoppedWith([named]));
      expect(store.artifacts.get(sha(archive))?.bytes.toString()).toBe(archive);
      expect(engine.calls).not.toContain('collect');
      await until(() => phase(1) === 'settled', 'settled');
      expect(left()).toEqual([]);
      const stages = life.journal
        .outbox(0, 10)
        .flatMap((item) => (item.kind === 'progress' ? [item.stage] : []));
      expect(stages).toEqual(['pulling', 'starting', 'running']);
    });

    test('what the coordinator does not know any more is saved too; an empty folder is not', async () => {
      engine.checkpoint = archive;
      await begun();
      life.executor.onDesired([]);
      expect(await finished(1)).toMatchObject({ reason: 'stopped', outputs: [named] });
      engine.checkpoint = undefined;
      life.executor.onAssign([assignment(2, { checkpoint })]);
      await running(2);
      life.executor.onStop([{ task, attempt: 2 }]);
      expect(await finished(2)).toMatchObject(stoppedWith([]));
      expect(engine.calls.filter((call) => call === 'save')).toHaveLength(2);
    });

    test('what ends by itself, or for the node, is not saved', async () => {
      engine.checkpoint = archive;
      await begun();
      engine.end({ task, attempt: 1 });
      expect(await finished(1)).toMatchObject({ reason: 'completed', outputs: [] });
      life.executor.onAssign([assignment(2, { checkpoint, runTimeoutMs: 200 })]);
      expect(await finished(2)).toMatchObject({ reason: 'run_timeout', outputs: [] });
      life.executor.onAssign([assignment(3, { checkpoint })]);
      await running(3);
      engine.end({ task, attempt: 3 }, { engineLost: true });
      expect(await finished(3)).toMatchObject({ reason: 'engine_lost', outputs: [] });
      // Its own clock is not over then.
      life.executor.onAssign([assignment(4, { checkpoint, runTimeoutMs: 2.5e9 })]);
      await running(4);
      bootMs = 2e9;
      expect(await finished(4)).toMatchObject({ reason: 'lease_lapsed', outputs: [] });
      expect(engine.calls).not.toContain('save');
    });

    test.each<[string, () => void]>([
      [
        'a folder that cannot be saved',
        () => {
          engine.saveFailure = { reason: 'output_invalid', message: say`too much` };
        },
      ],
      ['a save that hangs', () => engine.hangs.add('save')],
      [
        'a save that fails',
        () => {
          vi.spyOn(engine, 'save').mockRejectedValue(new Error('no space left on device'));
        },
      ],
      [
        'an upload that is refused',
        () => {
          vi.spyOn(store, 'answer').mockReturnValue([413, { code: 'artifact.too_large' }]);
        },
      ],
      [
        'an upload that takes too long',
        () => {
          store.fail = 1e9;
        },
      ],
    ])('%s is no failure', async (_, harm) => {
      engine.checkpoint = archive;
      await begun({ timeoutMs: 700 });
      harm();
      stopIt();
      expect(await finished(1)).toMatchObject(stoppedWith([]));
      await until(() => phase(1) === 'settled', 'settled');
      expect(engine.boxes.size).toBe(0);
      expect(left()).toEqual([]);
    });

    test('an engine that is down is waited for', async () => {
      engine.checkpoint = archive;
      await begun();
      engine.hangs.add('save');
      stopIt();
      await until(() => engine.calls.includes('save'), 'saves');
      await end();
      engine.hangs.clear();
      engine.down = true;
      begin();
      await until(() => engine.calls.filter((call) => call === 'save').length > 2, 'tries');
      expect(receipts()).toEqual([]);
      engine.down = false;
      expect(await finished(1)).toMatchObject(stoppedWith([named]));
    });

    /** The archive is written, and the agent ends before any of it is sent. */
    async function killedInUpload(): Promise<void> {
      engine.checkpoint = archive;
      await begun();
      token = 'stale';
      stopIt();
      await until(() => phase(1) === 'uploading', 'uploading');
      await end();
    }

    test('killed in the upload, the agent goes on with it', async () => {
      await killedInUpload();
      token = 'good';
      begin();
      expect(await finished(1)).toMatchObject(stoppedWith([named]));
      expect(engine.calls.filter((call) => call === 'save')).toHaveLength(1);
    });

    test('killed in the upload, with the file lost, it reports without', async () => {
      await killedInUpload();
      rmSync(join(dir, 'outputs'), { recursive: true });
      token = 'good';
      begin();
      expect(await finished(1)).toMatchObject(stoppedWith([]));
    });

    test('killed while its container ends, it saves in its next life', async () => {
      engine.checkpoint = archive;
      await begun();
      const stopping = vi.spyOn(engine, 'stop').mockImplementation(async () => {});
      stopIt();
      await until(() => stopping.mock.calls.length > 0, 'stop');
      await end();
      stopping.mockRestore();
      engine.end({ task, attempt: 1 }, { exitCode: 137 });
      begin();
      expect(await finished(1)).toMatchObject(stoppedWith([named]));
    });

    test('what was saved is there before the next attempt begins', async () => {
      store.artifacts.set(saved.sha256, { bytes: Buffer.from(archive), size: archive.length });
      await begun({ saved });
      expect(engine.box({ task, attempt: 1 }).restored).toBe(archive);
    });

    test('what was saved and is gone, or cannot be of this task, is done without', async () => {
      await begun({ saved });
      expect(engine.box({ task, attempt: 1 }).restored).toBeUndefined();
      const huge = { ...saved, sizeBytes: 2 ** 40 };
      store.artifacts.set(saved.sha256, { bytes: Buffer.from(archive), size: archive.length });
      life.executor.onAssign([assignment(2, { checkpoint: { ...checkpoint, saved: huge } })]);
      await running(2);
      expect(engine.box({ task, attempt: 2 }).restored).toBeUndefined();
    });

    test('what was saved and does not come in time ends the attempt as an input would', async () => {
      await ready();
      store.fail = 1e9;
      const change = { checkpoint: { ...checkpoint, saved }, pullTimeoutMs: 500 };
      life.executor.onAssign([assignment(1, change)]);
      expect(await finished(1)).toMatchObject({ reason: 'input_unavailable' });
    });

    test('a folder that is not its own is refused', async () => {
      await ready();
      const outputs = [{ path: '/ckpt/out/', maxBytes: 1 }];
      life.executor.onAssign([assignment(1, { checkpoint, outputs })]);
      expect(await finished(1)).toMatchObject({ reason: 'refused' });
    });
  });
});
