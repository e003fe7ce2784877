import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { sessionPath } from '@capacloud/protocol/frames';
import { RawPeer } from '../e2e/raw-peer.ts';

/**
 * Child process of the abuse benchmark: holds slow sockets open, says a byte a second on each, and sends malformed
 * frames spread over the time, each over a connection of its own.
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
];

async function hold(index: number): Promise<void> {
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
await sleep(500);
process.send?.({ holding: Number(sockets) });

let refused = 0;
async function send(index: number): Promise<void> {
  const peer = new RawPeer(url);
  await Promise.race([once(peer.socket, 'open'), peer.ended]);
  peer.send(wrong[index % wrong.length]);
  const { refusal, code } = await peer.ended;
  if (refusal !== undefined || code >= 1002) refused += 1;
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
