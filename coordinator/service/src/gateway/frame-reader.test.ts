import { expect, test } from 'vitest';
import { readHello, readSessionFrame } from './frame-reader.ts';

const load = { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 };
const heartbeat = { type: 'heartbeat', seq: 1, ack: 0, n: 1, load, pulls: [] };

function codeOf(text: string): string {
  const read = readSessionFrame(text);
  return read.ok ? 'ok' : read.refusal.code;
}

test.each([
  ['sound', JSON.stringify(heartbeat), 'ok'],
  ['an unknown field', JSON.stringify({ ...heartbeat, x: 1 }), 'frame.malformed'],
  [
    'a prototype as a field',
    JSON.stringify(heartbeat).replace('{', '{"__proto__":{"n":1},'),
    'frame.malformed',
  ],
  ['a number out of range', JSON.stringify({ ...heartbeat, seq: 2 ** 53 }), 'frame.malformed'],
  ['infinity', JSON.stringify(heartbeat).replace('"seq":1', '"seq":9e999'), 'frame.malformed'],
  ['a fraction', JSON.stringify({ ...heartbeat, seq: 1.5 }), 'frame.malformed'],
  ['not JSON', '{', 'frame.malformed'],
  ['null', 'null', 'frame.malformed'],
  ['a list', '[]', 'frame.malformed'],
  ['no type', '{}', 'frame.malformed'],
  ['a type of an object’s own', '{"type":"constructor"}', 'frame.malformed'],
  [
    'a frame of the coordinator',
    '{"type":"ack","seq":1,"ack":0,"report":0,"heartbeat":0}',
    'frame.malformed',
  ],
  ['another hello', '{"type":"hello"}', 'frame.unexpected'],
  ['depth', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'frame.malformed'],
])('%s', (_, text, code) => {
  expect(codeOf(text)).toBe(code);
});

test('a small frame is told what is wrong with it, a large one only that it is', () => {
  const small = readSessionFrame(JSON.stringify({ ...heartbeat, n: 'one' }));
  expect(small.ok ? '' : small.refusal.message).toContain('heartbeat/n');
  const large = readSessionFrame(JSON.stringify({ ...heartbeat, x: 'x'.repeat(10_000) }));
  expect(large.ok ? '' : large.refusal.message).toBe('The heartbeat frame does not have its shape.');
});

test('a stranger says hello first, in 64 KiB of bytes', () => {
  const code = (text: string) => {
    const read = readHello(text);
    return read.ok ? 'ok' : read.refusal.code;
  };
  expect(code(JSON.stringify(heartbeat))).toBe('frame.unexpected');
  expect(code('{"type":"hello"}')).toBe('frame.malformed');
  expect(code(`"${'x'.repeat(65_536)}"`)).toBe('frame.too_large');
  // Fewer characters than the limit, more bytes.
  expect(code(`"${'é'.repeat(40_000)}"`)).toBe('frame.too_large');
});

test('what is there twice is told by its name, however large the frame is', () => {
  const device = { vendor: 'nvidia', model: 'h100', memoryBytes: 1, health: 'healthy' };
  const ids = [...Array.from({ length: 60 }, (_, n) => `GPU-${'0'.repeat(36)}-${n}`), 'GPU-D', 'GPU-D'];
  const ask = { cpuHourNano: '0', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '0' };
  const rest = { cpuMilli: 1, memoryBytes: 1, diskBytes: 1, slots: 1, arch: 'amd64', allowRoot: false, ask };
  const offer = { ...rest, devices: ids.map((id) => ({ ...device, id })) };
  const text = JSON.stringify({ type: 'offer', seq: 1, ack: 0, accepting: true, offer });
  expect(text.length).toBeGreaterThan(4096);
  const read = readSessionFrame(text);
  expect(read).toMatchObject({ ok: false, refusal: { code: 'frame.malformed' } });
  if (read.ok) return;
  expect(read.refusal.message).toBe('offer/offer/devices names GPU-D twice.');
  expect(read.refusal.hint).toContain('GPU-D');
});

test('text that nothing can keep, U+0000 and what is not Unicode, is refused', () => {
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
  const report = (message: string) =>
    JSON.stringify({
      type: 'report',
      seq: 1,
      ack: 0,
      items: [{ kind: 'finished', id: 1, receipt: { ...receipt, message } }],
    });
  expect(codeOf(report('\ud83d\udca5'))).toBe('ok');
  expect(codeOf(report('\n'))).toBe('ok');
  expect(codeOf(report('\ud800'))).toBe('receipt.invalid');
  expect(codeOf(report('a\0b'))).toBe('receipt.invalid');
  const ask = { cpuHourNano: '0', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '0' };
  const device = { id: 'GPU-1', vendor: 'nvidia', memoryBytes: 1, health: 'healthy' };
  const offer = (model: string) =>
    JSON.stringify({
      type: 'offer',
      seq: 1,
      ack: 0,
      accepting: true,
      offer: {
        cpuMilli: 1,
        memoryBytes: 1,
        diskBytes: 1,
        slots: 1,
        devices: [{ ...device, model }],
        arch: 'amd64',
        allowRoot: false,
        ask,
      },
    });
  expect(codeOf(offer('rtx-4090'))).toBe('ok');
  expect(codeOf(offer('\udfff'))).toBe('frame.malformed');
  expect(codeOf(offer('rtx\0'))).toBe('frame.malformed');
});
