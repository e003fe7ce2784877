import { createCoordinator, type LocalCoordinator } from '@capacloud/rig/network/local-network';

/** One address calls for everybody here, which the defaults would slow down as they should. */
const unlimited = { per_second: 1_000_000, burst: 10_000_000 };
/** All nodes of a benchmark join from here. */
export const unlimitedJoins = {
  address_per_hour: 10_000_000,
  network_per_hour: 10_000_000,
  all_per_hour: 10_000_000,
};

/** A real coordinator with every check on but the bounds of an address, which a benchmark is one of. */
export function createBenchCoordinator(dir: string, signal: AbortSignal): Promise<LocalCoordinator> {
  const joins = unlimitedJoins;
  const rules = { max_unproven_nodes: 1_000_000 };
  const rates = { account: unlimited, address: unlimited, anonymous: unlimited };
  return createCoordinator({
    dir,
    name: 'bench.local',
    settings: { log_level: 'warn', rates, joins, rules },
    signal,
  });
}

/** A job of one task that does nothing. */
export const plainJob = {
  version: '1',
  image: 'local/busybox:1',
  command: ['true'],
  resources: { cpu: '10m', memory: '8Mi', disk: '1Mi', shm_size: '1Mi' },
  timeout: '1m',
  price: { max_per_hour: '1', currency: 'CAPA' },
} as const;
