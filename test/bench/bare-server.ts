import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

/**
 * Child process of the fan-in benchmark: the least that a server of such sockets can be. It reads heartbeats as JSON,
 * remembers the last of each socket, and acknowledges it.
 */
interface Heartbeat {
  readonly seq: number;
  readonly n: number;
}
const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
const last = new Map<object, number>();
sockets.on('connection', (socket) => {
  let sent = 0;
  socket.on('message', (data) => {
    const { seq, n } = JSON.parse((data as Buffer).toString('utf8')) as Heartbeat;
    last.set(socket, n);
    sent += 1;
    socket.send(`{"type":"ack","seq":${sent},"ack":${seq},"report":0,"heartbeat":${n}}`);
  });
  socket.on('error', () => {});
});
server.listen(0, '127.0.0.1', 4096, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.on('disconnect', () => process.exit(0));
