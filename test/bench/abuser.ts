import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { sessionPath } from '@capacloud/protocol/wire/frames';

/**
 * Child process of the abuse benchmark: holds slow sockets open, says a byte a second on each, and sends malformed
 * frames spread over the time, each over a connection of its own. It speaks through bare sockets, so that what it
 * costs the machine is little beside what it costs the coordinator.
 */
const [url = '', sockets = '0', frames = '0', durationText = '0'] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const durationMs = Number(durationText);
const upgrade = `GET ${sessionPath} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
const beginnings = [
  '',
  'GET /v1/nodes HTTP/1.1\r\nHost: x\r\nX-Slow: ',
  'POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: 100000\r\n\r\n{',
  upgrade,
];
const wrong = [
  '{',
  '[]',
  'null',
  '{"type":"hello"}',
  `{"type":"hello","x":"${'x'.repeat(20_000)}"}`,
  '['.repeat(30_000),
  `{"type":"heartbeat","seq":1e400}`,
  '\ud800',
].map(maskedFrame);

/** A text frame of a client (RFC 6455, 5.2), masked with zeros. */
function maskedFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const long = payload.length > 125;
  const head = Buffer.alloc(long ? 8 : 6);
  head[0] = 0x81;
  head[1] = 0x80 | (long ? 126 : payload.length);
  if (long) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

async function hold(index: number): Promise<void> {
  // All at once they would be a flood of connections each second, which is another attack.
  await sleep((1000 * index) / Number(sockets));
  for (;;) {
    const socket: Socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.write(beginnings[index % beginnings.length] ?? '');
    const timer = setInterval(() => socket.write('x'), 1000);
    // Cut off as it is in the end, it comes back.
    await new Promise((resolve) => {
      socket.once('close', resolve);
    });
    clearInterval(timer);
    await sleep(100);
  }
}
for (let index = 0; index < Number(sockets); index++) void hold(index);
await sleep(1500);
process.send?.({ holding: Number(sockets) });

let refused = 0;
/** Counted when the coordinator has said why: a refusal frame of ours. */
async function send(index: number): Promise<void> {
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  let heard = '';
  socket.on('data', (bytes: Buffer) => {
    heard += bytes.toString('latin1');
    if (!heard.includes('"type":"refusal"')) return;
    refused += 1;
    socket.destroy();
  });
  const frame = wrong[index % wrong.length] as Buffer;
  socket.write(upgrade);
  socket.write(frame);
  await new Promise((resolve) => {
    socket.once('close', resolve);
  });
}
const started = performance.now();
const pending = new Set<Promise<void>>();
for (let index = 0; index < Number(frames); index++) {
  const sending = send(index).finally(() => pending.delete(sending));
  pending.add(sending);
  const dueMs = ((index + 1) * durationMs) / Number(frames);
  const aheadMs = dueMs - (performance.now() - started);
  if (aheadMs > 1) await sleep(aheadMs);
  if (pending.size > 200) await Promise.race(pending);
}
await Promise.all(pending);
process.send?.({ refused });
