import { kernel } from '../kernel/kernel.ts';

/** In the place of node:os: the machine has run for a while, and never sleeps. */
export function uptime(): number {
  return 5000 + kernel().nowMs / 1000;
}
