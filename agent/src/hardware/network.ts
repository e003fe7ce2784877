import { networkInterfaceDefault, networkInterfaces } from 'systeminformation';
import type { Probe } from './probe.ts';

export interface NetworkFacts {
  readonly interface: string;
  /** Mbit/s; undefined when the driver does not say. */
  readonly speedMbit?: number;
}

/** The interface that leads out. */
export const networkProbe: Probe<NetworkFacts> = {
  name: 'network',
  deadlineMs: 15_000,
  everyMs: 600_000,
  async read() {
    const name = await networkInterfaceDefault();
    const found = await networkInterfaces();
    const all = Array.isArray(found) ? found : [found];
    const speed = all.find((entry) => entry.iface === name)?.speed;
    return { interface: name, ...(typeof speed === 'number' && speed > 0 ? { speedMbit: speed } : {}) };
  },
};
