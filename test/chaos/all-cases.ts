import { jumpingCoordinator, skewedAgents } from './cases/clocks.ts';
import { keepContainers, restartEngine } from './cases/engine.ts';
import { freezeAgent, freezeCoordinator, freezeEngine } from './cases/freeze.ts';
import { fullAgent, fullCoordinator, fullEngine } from './cases/full-disk.ts';
import { cutPower, killAgent, killCoordinator } from './cases/kill.ts';
import { dropOneWay, roughNetwork } from './cases/network.ts';
import { twinAgents } from './cases/twins.ts';
import type { ChaosCase } from './chaos-case.ts';

export const allCases: readonly ChaosCase[] = [
  killCoordinator,
  killAgent,
  cutPower,
  restartEngine,
  keepContainers,
  freezeCoordinator,
  freezeAgent,
  freezeEngine,
  fullCoordinator,
  fullAgent,
  fullEngine,
  skewedAgents,
  jumpingCoordinator,
  dropOneWay,
  roughNetwork,
  twinAgents,
];
