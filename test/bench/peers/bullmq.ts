import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { payloadOf } from './payload.ts';
import { ensurePackages, freePort, startPeer, waitForPort } from './peer-process.ts';

export interface QueuePeer {
  /** Submits so many jobs one by one, `inFlight` at once, and waits until each is done. Gives jobs a second. */
  measure(jobs: number, inFlight: number): Promise<number>;
  stop(): Promise<void>;
}

/** BullMQ on a Redis that has each write on disk before it answers: AOF with appendfsync always. */
export async function startBullMq(dir: string, signal: AbortSignal): Promise<QueuePeer> {
  await ensurePackages(['redis-server'], signal);
  const home = join(dir, 'redis');
  await mkdir(home, { recursive: true });
  const port = await freePort();
  const settings = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', home, '--save', ''];
  const server = startPeer(home, 'redis-server', [
    ...settings,
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
  ]);
  try {
    await waitForPort(server, port, signal);
    return await openQueue(port, () => server.stop());
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function openQueue(port: number, stopServer: () => Promise<unknown>): Promise<QueuePeer> {
  const connection = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: null });
  const queue = new Queue('bench', { connection, defaultJobOptions: { removeOnComplete: true } });
  const worker = new Worker('bench', () => Promise.resolve(), { connection, concurrency: 100 });
  let left = 0;
  let onDone = () => {};
  worker.on('completed', () => {
    left -= 1;
    if (left === 0) onDone();
  });
  await queue.waitUntilReady();
  await worker.waitUntilReady();
  return {
    async measure(jobs, inFlight) {
      left = jobs;
      const done = new Promise<void>((resolve) => {
        onDone = resolve;
      });
      const started = performance.now();
      let next = 0;
      const submit = async () => {
        while (next < jobs) await queue.add('job', payloadOf(next++));
      };
      await Promise.all(Array.from({ length: inFlight }, submit));
      await done;
      return jobs / ((performance.now() - started) / 1000);
    },
    async stop() {
      await worker.close();
      await queue.close();
      connection.disconnect();
      await stopServer();
    },
  };
}
