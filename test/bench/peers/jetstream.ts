import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { QueuePeer } from './bullmq.ts';
import { payloadOf } from './payload.ts';
import { ensurePackages, freePort, startPeer, waitForPort } from './peer-process.ts';

export interface JetStreamPeer extends QueuePeer {
  /** Milliseconds from publishing a message to its delivery, one at a time, with a pause between. */
  measureDelivery(messages: number, pauseMs: number): Promise<readonly number[]>;
}

/**
 * NATS JetStream as a work queue: file storage, explicit acknowledgements, and its own default of an fsync every two
 * minutes. A publisher is answered before the message is on disk, which ours is not.
 */
export async function startJetStream(dir: string, signal: AbortSignal): Promise<JetStreamPeer> {
  await ensurePackages(['nats-server'], signal);
  const home = join(dir, 'nats');
  await mkdir(home, { recursive: true });
  const port = await freePort();
  const server = startPeer(home, 'nats-server', ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', home]);
  try {
    await waitForPort(server, port, signal);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const nats = await connect({ servers: `127.0.0.1:${port}` });
  const manager = await jetstreamManager(nats);
  const storage = { storage: StorageType.File, retention: RetentionPolicy.Workqueue };
  await manager.streams.add({ name: 'bench', subjects: ['bench.>'], ...storage });
  const worker = { durable_name: 'worker', ack_policy: AckPolicy.Explicit, max_ack_pending: 5000 };
  await manager.consumers.add('bench', worker);
  const stream = jetstream(nats);
  const consumer = await stream.consumers.get('bench', 'worker');
  const messages = await consumer.consume({ max_messages: 1000 });
  let onMessage = () => {};
  const read = (async () => {
    for await (const message of messages) {
      message.json();
      message.ack();
      onMessage();
    }
  })();
  const publish = (id: number) => stream.publish('bench.job', JSON.stringify(payloadOf(id)));
  return {
    async measure(jobs, inFlight) {
      let left = jobs;
      const done = new Promise<void>((resolve) => {
        onMessage = () => {
          left -= 1;
          if (left === 0) resolve();
        };
      });
      const started = performance.now();
      let next = 0;
      const submit = async () => {
        while (next < jobs) await publish(next++);
      };
      await Promise.all(Array.from({ length: inFlight }, submit));
      await done;
      await nats.flush();
      return jobs / ((performance.now() - started) / 1000);
    },
    async measureDelivery(count, pauseMs) {
      const times: number[] = [];
      for (let id = 0; id < count; id++) {
        const started = performance.now();
        const delivered = new Promise<number>((resolve) => {
          onMessage = () => resolve(performance.now() - started);
        });
        await publish(id);
        times.push(await delivered);
        await sleep(pauseMs);
      }
      return times;
    },
    async stop() {
      messages.stop();
      await read;
      await nats.close();
      await server.stop();
    },
  };
}
