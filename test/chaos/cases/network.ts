import type { ChaosCase } from '../chaos-case.ts';
import { agentCount } from '../chaos-rig.ts';
import { RoughProxy } from '../rough-proxy.ts';
import { SideNetwork } from '../side-network.ts';

export const dropOneWay: ChaosCase = {
  name: 'drop-one-way',
  summary:
    'an agent is heard and hears nothing, or hears and is not heard, for less and for more than its lease',
  async plan({ dir, dice, onClose }) {
    const networks: SideNetwork[] = [];
    while (networks.length < agentCount) {
      const network = await SideNetwork.open(dir);
      onClose(() => network.close());
      networks.push(network);
    }
    return {
      shortLease: true,
      maxEvents: 20,
      // The far ends of the pairs are addresses of this machine that no other machine can reach.
      coordinator: { listenAddress: '0.0.0.0' },
      async agent(index, { url }) {
        const network = networks[index];
        if (network === undefined) throw new Error(`there is no network ${index}`);
        return { url: url.replace('127.0.0.1', network.hostAddress), prefix: network.prefix };
      },
      async strike(rig, count) {
        const direction = dice.pick(['in', 'out'] as const);
        const isLong = count % 2 === 1;
        const network = dice.pick(networks);
        await network.drop(direction);
        try {
          await rig.last(isLong ? rig.leaseMs * 1.5 : dice.between(100, rig.leaseMs / 2));
        } finally {
          await network.heal();
        }
        return `nothing ${direction}, ${isLong ? 'long' : 'short'}`;
      },
    };
  },
};

export const roughNetwork: ChaosCase = {
  name: 'rough-network',
  summary: 'connections that are slow, uneven, stalled, and cut in the middle of a frame',
  async plan({ dice, onClose }) {
    let proxy: RoughProxy | undefined;
    return {
      shortLease: true,
      maxEvents: 20,
      async agent(_index, { url }) {
        proxy ??= await openProxy(url, onClose);
        return { url: `http://127.0.0.1:${proxy.port}` };
      },
      async strike(rig) {
        if (proxy === undefined) throw new Error('no agent was made');
        return await trouble(proxy, dice.pick(['cut', 'delay', 'stall'] as const), async () =>
          rig.last(dice.between(200, rig.leaseMs / 2)),
        );
      },
    };
  },
};

async function openProxy(url: string, onClose: (close: () => Promise<void>) => void): Promise<RoughProxy> {
  const proxy = await RoughProxy.open(Number(new URL(url).port));
  onClose(() => proxy.close());
  return proxy;
}

async function trouble(
  proxy: RoughProxy,
  kind: 'cut' | 'delay' | 'stall',
  last: () => Promise<void>,
): Promise<string> {
  switch (kind) {
    case 'cut':
      proxy.cut();
      break;
    case 'delay':
      [proxy.delayMs, proxy.jitterMs] = [100, 400];
      await last().finally(() => {
        [proxy.delayMs, proxy.jitterMs] = [0, 0];
      });
      break;
    case 'stall':
      proxy.stall();
      await last().finally(() => proxy.resume());
      break;
  }
  return kind;
}
