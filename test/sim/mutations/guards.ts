import { agentGuards } from './agent-guards.ts';
import { coreGuards } from './core-guards.ts';
import type { Guard } from './guard.ts';
import { holdGuards } from './hold-guards.ts';
import { preemptionGuards } from './preemption-guards.ts';
import { serviceGuards } from './service-guards.ts';
import { standingGuards } from './standing-guards.ts';
import { turnGuards } from './turn-guards.ts';
import { wishGuards } from './wish-guards.ts';

/** Everything that the simulator must miss when it is gone. */
export const guards: readonly Guard[] = [
  ...coreGuards,
  ...turnGuards,
  ...wishGuards,
  ...standingGuards,
  ...preemptionGuards,
  ...holdGuards,
  ...serviceGuards,
  ...agentGuards,
];
