import { isShownText } from '@capacloud/protocol/input/plain-text';
import { expect, test } from 'vitest';
import { readHello, readSessionFrame } from './frame-reader.ts';

const device = { id: 'GPU-1', vendor: 'nvidia', model: 'rtx-4090', memoryBytes: 1, health: 'suspect' };
const ask = { cpuHourNano: '0', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '0' };
const base = { cpuMilli: 1, memoryBytes: 1, diskBytes: 1, slots: 1, arch: 'amd64', allowRoot: false, ask };
const hello = {
  type: 'hello',
  protocols: [6],
  agentVersion: '0.1.0',
  delegation: {
    node: `0x${'1'.repeat(40)}`,
    provider: `0x${'1'.repeat(40)}`,
    sessionKey: `0x${'1'.repeat(64)}`,
    nonce: `0x${'1'.repeat(64)}`,
    coordinator: 'here',
    expiresAt: 1,
  },
  signature: `0x${'1'.repeat(130)}`,
  proof: 'a',
  accepting: true,
  attempts: [],
};
const receipt = {
  version: 1,
  node: `node_${'1'.repeat(40)}`,
  task: `job_${'a'.repeat(20)}.0`,
  attempt: 1,
  nonce: '0'.repeat(32),
  reason: 'completed',
  oomKilled: false,
  outputs: [],
  log: { sizeBytes: 0, truncated: false },
};

const characters = ['\u202e', '\u001b', '\0', '\ud800', '\u200b', '\u2028', '\u{e0041}', '\ufeff'];

test.each(characters)('a frame brings no name with %j', (character) => {
  const text = `a${character}b`;
  const offers = [
    { devices: [{ ...device, id: text }] },
    { devices: [{ ...device, model: text }] },
    { devices: [{ ...device, cuda: text }] },
    { devices: [{ ...device, computeCapability: text }] },
    { devices: [device], arch: text },
    { devices: [device], region: text },
    { devices: [device], labels: { tier: text } },
    { devices: [device], labels: { [text]: 'gold' } },
  ];
  for (const odd of offers) {
    const offer = { ...base, ...odd };
    const frame = { type: 'offer', seq: 1, ack: 0, accepting: true, offer };
    expect(readSessionFrame(JSON.stringify(frame)).ok, JSON.stringify(odd)).toBe(false);
    expect(readHello(JSON.stringify({ ...hello, offer })).ok, JSON.stringify(odd)).toBe(false);
  }
  const offer = { ...base, devices: [device] };
  expect(readHello(JSON.stringify({ ...hello, offer })).ok).toBe(true);
  expect(readHello(JSON.stringify({ ...hello, offer, agentVersion: text })).ok).toBe(false);
  for (const odd of [{ image: text }, { imageRunsOn: [text] }]) {
    const items = [{ kind: 'finished', id: 1, receipt: { ...receipt, ...odd } }];
    expect(readSessionFrame(JSON.stringify({ type: 'report', seq: 1, ack: 0, items })).ok).toBe(false);
  }
});

test('a reason that quotes a driver is cleaned, so that an older agent is not kept away', () => {
  const reason = 'Xid 79\n\u001b[31mGPU\u202e lost\u200b';
  const offer = { ...base, devices: [device, { ...device, id: 'GPU-2', reason }] };
  const frame = { type: 'offer', seq: 1, ack: 0, accepting: true, offer };
  for (const read of [
    readSessionFrame(JSON.stringify(frame)),
    readHello(JSON.stringify({ ...hello, offer })),
  ]) {
    if (!read.ok || !('offer' in read.value)) throw new Error('not read');
    const [whole, sick] = read.value.offer.devices;
    expect(whole).toEqual(device);
    expect(sick?.reason).toBe('Xid 79 \ufffd[31mGPU\ufffd lost\ufffd');
    expect(isShownText(sick?.reason ?? '')).toBe(true);
  }
});
