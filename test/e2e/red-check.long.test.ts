import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { hasEngine } from '@capacloud/rig/engine/real-parts';
import { dockerSocket } from '@capacloud/rig/images/engine-images';
import { type NetworkRig, openNetworkRig, statusOf } from '@capacloud/rig/network/network-rig';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { afterAll, beforeAll, expect, it } from 'vitest';

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

type Status = Awaited<ReturnType<typeof statusOf>>;

function red({ checks = [] }: Status): readonly string[] {
  return checks === 'pending' ? ['pending'] : checks.filter(({ ok }) => !ok).map(({ id }) => id);
}

it.skipIf(!isThere)(
  'a node takes no work while a check is red, and takes it again when all are green',
  async () => {
    const agent = await rig.addAgent('a', { docker_socket: join(rig.dir, 'door.sock') });
    const key = join(rig.dir, 'a', 'node.key');
    const until = (what: string, isSo: (status: Status) => boolean) =>
      waitUntil(what, async () => isSo(await statusOf(agent)), { timeoutMs: patienceMs, intervalMs: 250 });
    await until('the node to take work', ({ accepting }) => accepting);

    await chmod(key, 0o644);
    await door.close();
    await until('both checks to be red', (status) => red(status).join() === 'engine,key');
    const { id } = await rig.submit('echo back');
    const node = await rig.nodeOf(agent);
    await waitUntil(
      'the coordinator to know that the node is closed',
      async () => !(await rig.client.call('explainNode', { params: { node } })).takes_work,
      { timeoutMs: patienceMs },
    );
    expect(await rig.tasks(id)).toMatchObject([{ state: 'queued' }]);

    await door.open();
    await until(
      'the engine to be well again',
      (status) => red(status).join() === 'key' && status.engineReachable,
    );
    expect(await statusOf(agent)).toMatchObject({ accepting: false });
    expect(await rig.tasks(id)).toMatchObject([{ state: 'queued' }]);

    await chmod(key, 0o600);
    await until('the node to take work again', (status) => status.accepting && red(status).length === 0);
    expect(await rig.ended(id)).toMatchObject([{ state: 'succeeded' }]);
  },
);
