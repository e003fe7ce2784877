import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { OwnerMustAct } from './failure.ts';

/** Linux keeps paths of sockets to this many bytes (sun_path, unix(7)). */
const maxPathBytes = 107;
const maxStatusBytes = 4 * 1024 * 1024;
const answerTimeoutMs = 5000;

/** Answers each connection with one JSON document and closes it. The caller holds the state folder's lock. */
export async function serveStatus(
  path: string,
  status: () => object | Promise<object>,
): Promise<{ close(): Promise<void> }> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new OwnerMustAct({
      code: 'config.invalid',
      message: `the path of the status socket is longer than ${maxPathBytes} bytes`,
      hint: 'Set status_socket to a shorter one, such as /run/capacloud-agent.sock.',
    });
  }
  await rm(path, { force: true });
  const server: Server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.setTimeout(answerTimeoutMs, () => socket.destroy());
    // What throws, at once or later, ends this answer alone.
    const answer = async () => JSON.stringify(await status());
    answer().then(
      (text) => socket.end(`${text}\n`),
      () => socket.destroy(),
    );
  });
  server.maxConnections = 16;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  // A connection that cannot be taken, as for want of descriptors, is that caller's loss.
  server.on('error', () => undefined);
  await chmod(path, 0o660);
  return {
    async close() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(path, { force: true });
    },
  };
}

/** What the running agent says. Throws when none answers. */
export function askStatus(path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const parts: Buffer[] = [];
    let bytes = 0;
    socket.setTimeout(answerTimeoutMs, () => socket.destroy(new Error('the agent did not answer in time')));
    socket.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > maxStatusBytes) socket.destroy(new Error('the answer of the agent is too long'));
      parts.push(part);
    });
    socket.on('error', reject);
    socket.on('end', () => {
      try {
        resolve(JSON.parse(Buffer.concat(parts).toString('utf8')));
      } catch (cause) {
        reject(new Error('the answer of the agent is no JSON', { cause }));
      }
    });
  });
}
