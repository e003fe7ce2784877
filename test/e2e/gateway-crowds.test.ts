import { afterEach, expect, test } from 'vitest';
import { createIdentity } from './agent-keys.ts';
import { type GatewayRig, type GatewayRigOptions, startGatewayRig } from './gateway-rig.ts';
import { RawPeer } from './raw-peer.ts';

const rigs: GatewayRig[] = [];
const peers: RawPeer[] = [];

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.terminate();
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()));
});

async function openRig(options: GatewayRigOptions): Promise<GatewayRig> {
  const rig = await startGatewayRig({ trustedProxies: ['127.0.0.1'], ...options });
  rigs.push(rig);
  return rig;
}

function dial(rig: GatewayRig, address?: string): RawPeer {
  const peer = new RawPeer(rig.url, address);
  peers.push(peer);
  return peer;
}

test('behind a trusted proxy, the handshakes of one address leave the room of the others alone', async () => {
  const rig = await openRig({ limits: { unauthenticatedPerAddress: 8 } });
  await Promise.all(Array.from({ length: 8 }, () => dial(rig, '203.0.113.66').challenge()));
  const names = ['198.51.100.7', '203.0.113.66, 198.51.100.8', '2001:db8::1'];
  for (const name of names) await dial(rig, name).open(createIdentity());
  expect(rig.gateway.sessions).toBe(3);
});
