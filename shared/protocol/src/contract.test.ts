import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { normaliseModel } from './capacity/resources.ts';
import { errorCatalogue, isErrorCode } from './catalogue/errors.ts';
import { taskReasons } from './catalogue/reasons.ts';
import {
  isJobId,
  isTaskId,
  jobIdFrom,
  jobIdOf,
  nodeIdOf,
  nodeIdPattern,
  taskIdOf,
  taskIndexOf,
} from './ids.ts';
import { type Route, routes } from './routes/routes.ts';
import { AckFrameSchema, chooseProtocol, HelloFrameSchema } from './wire/frames.ts';
import { hashReceipt, type Receipt, receiptBatchMessage } from './wire/receipt.ts';
import { ReceiptSchema } from './wire/receipt-schema.ts';

/** Codes, statuses and reasons are a contract with programs that we never see: a change here is a breaking one. */
describe('the error catalogue', () => {
  it('keeps every code, its HTTP status and its close code', () => {
    const table = Object.entries(errorCatalogue).map(
      ([code, entry]) => `${code} ${entry.http} ${entry.ws} ${entry.retryable ? 'retry' : 'final'}`,
    );
    expect(table).toMatchSnapshot();
  });
  it('gives each a title and a hint that are sentences', () => {
    for (const [code, entry] of Object.entries(errorCatalogue)) {
      expect(entry.title, code).not.toBe('');
      expect(entry.hint, code).toMatch(/\.$/);
      expect(entry.http, code).toBeGreaterThanOrEqual(400);
    }
  });
  it('knows its own codes only', () => {
    expect(isErrorCode('job.invalid')).toBe(true);
    expect(isErrorCode('toString')).toBe(false);
    expect(isErrorCode('__proto__')).toBe(false);
  });
});

describe('the reasons', () => {
  it('keeps every reason, whose fault it is and which budget it uses', () => {
    const table = Object.entries(taskReasons).map(
      ([name, reason]) => `${name} ${reason.fault} ${reason.retryOn ?? '-'}`,
    );
    expect(table).toMatchSnapshot();
  });
  it('gives every failure a hint', () => {
    for (const [name, reason] of Object.entries(taskReasons)) {
      expect(reason.sentence, name).toMatch(/\.$/);
      if (reason.fault !== 'none') expect(reason.hint, name).toMatch(/\.$/);
    }
  });
});

describe('ids', () => {
  const job = jobIdFrom(Uint8Array.from({ length: 20 }, (_, index) => index * 13));
  it('are made in the form that is accepted', () => {
    expect(isJobId(job)).toBe(true);
    expect(isTaskId(taskIdOf(job, 9999))).toBe(true);
    expect(jobIdOf(taskIdOf(job, 7))).toBe(job);
    expect(taskIndexOf(taskIdOf(job, 7))).toBe(7);
    expect(nodeIdOf(`0x${'a'.repeat(40)}`)).toMatch(new RegExp(nodeIdPattern));
  });
  it.each(['job_', `${job}.01`, `${job}.-1`, `${job}.1e3`, `${job}.1/../..`, `${job}.123456`])(
    'refuse %s',
    (text) => {
      expect(isTaskId(text)).toBe(false);
    },
  );
});

const hello = {
  type: 'hello',
  protocols: [2, 1],
  agentVersion: '0.1.0',
  delegation: {
    node: `0x${'1'.repeat(40)}`,
    provider: `0x${'2'.repeat(40)}`,
    sessionKey: `0x${'3'.repeat(64)}`,
    nonce: `0x${'4'.repeat(64)}`,
    coordinator: 'test',
    expiresAt: 1,
  },
  signature: `0x${'5'.repeat(130)}`,
  proof: 'AAAA',
  offer: {
    cpuMilli: 1000,
    memoryBytes: 2 ** 30,
    diskBytes: 2 ** 30,
    slots: 1,
    devices: [],
    arch: 'amd64',
    allowRoot: false,
    ask: { cpuHourNano: '0', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '0' },
  },
  accepting: true,
  attempts: [],
};

describe('frames', () => {
  const check = Compile(HelloFrameSchema);
  it('accept a hello and no other key, type or range', () => {
    expect(check.Check(hello)).toBe(true);
    expect(check.Check({ ...hello, extra: 1 })).toBe(false);
    expect(check.Check({ ...hello, protocols: [] })).toBe(false);
    expect(check.Check({ ...hello, accepting: 'yes' })).toBe(false);
    expect(check.Check({ ...hello, offer: { ...hello.offer, cpuMilli: -1 } })).toBe(false);
    expect(check.Check({ ...hello, offer: { ...hello.offer, slots: 0.5 } })).toBe(false);
    expect(check.Check({ ...hello, type: 'welcome' })).toBe(false);
  });
  it('number every frame after the handshake', () => {
    const ack = { type: 'ack', seq: 1, ack: 0, report: 0, heartbeat: 0 };
    const checkCoordinator = Compile(AckFrameSchema);
    expect(checkCoordinator.Check(ack)).toBe(true);
    expect(checkCoordinator.Check({ ...ack, seq: 0 })).toBe(false);
    expect(checkCoordinator.Check({ ...ack, seq: 2 ** 53 })).toBe(false);
    expect(checkCoordinator.Check({ ...ack, seq: undefined })).toBe(false);
  });
  it('choose the best version that both speak, or none', () => {
    expect(chooseProtocol([2, 1], [1, 2, 3])).toBe(2);
    expect(chooseProtocol([2, 1], [3])).toBeUndefined();
  });
});

describe('receipts', () => {
  const receipt: Receipt = {
    version: 1,
    node: nodeIdOf(`0x${'a'.repeat(40)}`),
    task: taskIdOf(jobIdFrom(new Uint8Array(20)), 0),
    attempt: 1,
    nonce: '0'.repeat(32),
    reason: 'completed',
    exitCode: 0,
    oomKilled: false,
    outputs: [],
    log: { sizeBytes: 0, truncated: false },
  };
  it('hash the same whatever the order of their keys, and differently for any change', () => {
    const reordered = Object.fromEntries(Object.entries(receipt).reverse()) as Receipt;
    expect(hashReceipt(reordered)).toEqual(hashReceipt(receipt));
    expect(hashReceipt({ ...receipt, attempt: 2 })).not.toEqual(hashReceipt(receipt));
  });
  it('refuse a reason that is not in the catalogue', () => {
    const check = Compile(ReceiptSchema);
    expect(check.Check(receipt)).toBe(true);
    expect(check.Check({ ...receipt, reason: 'because' })).toBe(false);
    expect(check.Check({ ...receipt, exitCode: 256 })).toBe(false);
  });
  it('sign a message that nothing else can be taken for', () => {
    expect(new TextDecoder().decode(receiptBatchMessage(new Uint8Array(0)))).toBe('capacloud/receipts/1\n');
  });
});

describe('device models', () => {
  it.each([
    ['NVIDIA GeForce RTX 4090', 'rtx-4090'],
    ['GeForce GTX 1070 Ti', 'gtx-1070-ti'],
    ['RTX4090', 'rtx-4090'],
    ['NVIDIA A100-SXM4-80GB', 'a100-sxm4-80gb'],
    ['Tesla T4', 'tesla-t4'],
    ['AMD Radeon RX 7900 XTX', 'rx-7900-xtx'],
  ])('normalise %s to %s', (name, model) => {
    expect(normaliseModel(name)).toBe(model);
    expect(normaliseModel(model)).toBe(model);
  });
});

describe('routes', () => {
  const list: readonly (readonly [string, Route])[] = Object.entries(routes);
  it('have one handler for each method and path', () => {
    const keys = list.map(([, route]) => `${route.method} ${route.path}`);
    expect(new Set(keys).size).toBe(keys.length);
  });
  it.each(list)('%s declares the parameters of its path', (_, route) => {
    const inPath = new Set([...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
    const declared = new Set(
      Object.keys((route.params as { properties?: object } | undefined)?.properties ?? {}),
    );
    expect(declared).toEqual(inPath);
  });
});
