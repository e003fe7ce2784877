import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitUntil } from '../../scripts/network/managed-process.ts';
import { hasEngine } from '../real-parts.ts';
import { dockerSocket } from './engine-images.ts';
import { type NetworkRig, openNetworkRig, statusOf } from './network-rig.ts';

/** Longer than the agent waits between two rounds of its checks while all of them are green. */
const patienceMs = 180_000;

/** A socket that leads to the engine while it is open. */
class EngineDoor {
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async open(): Promise<void> {
    this.#server = createServer((socket) => {
      const engine = connect(dockerSocket);
      for (const each of [socket, engine]) this.#sockets.add(each);
      const end = () => {
        for (const each of [socket, engine]) {
          each.destroy();
          this.#sockets.delete(each);
        }
      };
      pipeline(socket, engine, socket, end);
    });
    this.#server.listen(this.#path);
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

const isThere = hasEngine();
let rig: NetworkRig;
let door: EngineDoor;
beforeAll(async () => {
  if (!isThere) return;
  rig = await openNetworkRig();
  door = new EngineDoor(join(rig.dir, 'door.sock'));
  await door.open();
});
afterAll(async () => {
  await rig?.close();
  await door?.close();
});

it.skipIf(!isThere)(
  'a node whose engine goes away takes no work, and takes it again when that is back',
  async () => {
    const agent = await rig.addAgent('a', { docker_socket: join(rig.dir, 'door.sock') });
    const until = (what: string, isSo: (status: Awaited<ReturnType<typeof statusOf>>) => boolean) =>
      waitUntil(what, async () => isSo(await statusOf(agent)), { timeoutMs: patienceMs, intervalMs: 250 });
    await until('the node to take work', ({ accepting, checks }) => accepting && checks !== 'pending');

    await door.close();
    const isRed = ({ checks }: Awaited<ReturnType<typeof statusOf>>) =>
      checks !== undefined && checks !== 'pending' && checks.some(({ id, ok }) => id === 'engine' && !ok);
    await until('the check of the engine to be red', (status) => isRed(status) && !status.accepting);
    const { id } = await rig.submit('echo back');
    const node = await rig.nodeOf(agent);
    await waitUntil(
      'the coordinator to know that the node is closed',
      async () => !(await rig.client.call('explainNode', { params: { node } })).takes_work,
      { timeoutMs: patienceMs },
    );
    expect(await rig.tasks(id)).toMatchObject([{ state: 'queued' }]);

    await door.open();
    await until('the node to take work again', (status) => status.accepting && !isRed(status));
    expect(await rig.ended(id)).toMatchObject([{ state: 'succeeded' }]);
  },
);
