import { createIdentity, plainOffer } from '@capacloud/rig/network/agent-keys';
import {
  client,
  closeBooks,
  health,
  honest,
  joining,
  openBooks,
  prepared,
  start,
  submit,
  succeeded,
} from '@capacloud/rig/network/faulty-rig';
import { afterEach, beforeEach, expect, test } from 'vitest';

beforeEach(openBooks);
afterEach(closeBooks);

test('one GPU that is offered twice stops nobody: it is refused with its name, before the welcome and after', async () => {
  const life = await start();
  const operator = await prepared(life);
  await submit(operator, {
    resources: { cpu: 0.1, memory: '32Mi', disk: '0', shm_size: '1Mi', gpu: 'h100:2' },
  });
  const device = {
    id: 'GPU-D',
    vendor: 'nvidia',
    model: 'h100',
    memoryBytes: 80 * 2 ** 30,
    health: 'healthy',
  } as const;
  const doubled = { ...plainOffer, devices: [device, device] };
  for (let stranger = 0; stranger < 3; stranger++) {
    const { peer } = await joining(life, doubled);
    expect(await peer.ended).toMatchObject({ refusal: 'frame.malformed' });
    expect(peer.frames.at(-1)).toMatchObject({
      message: expect.stringContaining('GPU-D twice') as string,
      hint: expect.stringContaining('GPU-D') as string,
    });
  }
  const { peer } = await joining(life, { ...plainOffer, devices: [device] });
  peer.send({ type: 'offer', seq: 1, ack: 0, offer: doubled, accepting: true });
  expect(await peer.ended).toMatchObject({ refusal: 'frame.malformed' });
  expect(await health(life)).toEqual({ status: 'ok' });
}, 120_000);

test('half a decision ends the process once: after that its node is kept away from', async () => {
  const first = await start();
  const operator = await prepared(first);
  const stranger = createIdentity();
  const job = await submit(operator);
  await joining(first, { ...plainOffer, region: 'breaks-assignment' }, stranger);
  expect(await first.ended).toBe(1);

  const second = await start();
  expect(await health(second)).toEqual({ status: 'ok', isolated: 1 });
  await honest(second);
  await joining(second, { ...plainOffer, region: 'breaks-assignment', slots: 9 }, stranger);
  await succeeded(await client(second), job);
}, 120_000);
