import { type Connections, createConnections } from '@capacloud/transfer/connections';
import type { Logger } from 'pino';
import { examEngine } from '../container/engine-exam.ts';
import { readRegistries } from '../core/registries.ts';
import { observeDevices } from '../hardware/device-health.ts';
import { readDevices } from '../hardware/device-report.ts';
import type { Machine } from '../hardware/machine.ts';
import { hasNvidiaDriver, nvidiaProbe } from '../hardware/nvidia.ts';
import { nvidiaCommand } from '../hardware/nvidia-command.ts';
import { runProbe } from '../hardware/probe.ts';
import type { DoctorParts, FoundDevices, Meeting } from '../host/checks/finding.ts';
import type { AgentConfig } from '../host/config.ts';
import { examine } from '../host/doctor.ts';
import { Remembered } from '../host/remembered.ts';
import { SelfCheck } from '../host/self-check.ts';
import type { RegistryClientOptions } from '../images/registry/registry-client.ts';
import { silentRegistries } from '../images/registry/registry-exam.ts';
import { meetCoordinator } from '../session/meeting.ts';
import type { SessionClient } from '../session/session-client.ts';
import { findScratch } from './scratch-choice.ts';

/** Between containers that are started to see whether they get the GPUs. A failure is looked at again at once. */
const gpuCheckMs = 600_000;
/** Between connections that are opened only to compare clocks. */
const meetingMs = 3_600_000;

/** Between questions to registries, which are strangers' machines. */
const registryCheckMs = 3_600_000;

/** Proxies come from the environment, as for other programs. */
export function connectionsOf({ caFile }: AgentConfig): Connections {
  return createConnections({ env: process.env, caFile });
}

/** Which registries the owner allows, and both ways to them: the guard decides which one an address takes. */
export function registriesOf({ caFile, registries }: AgentConfig): RegistryClientOptions {
  const agent = { keepAlive: false };
  return {
    allowed: readRegistries(registries),
    network: {
      proxied: createConnections({ env: process.env, caFile, agent }),
      direct: createConnections({ env: {}, caFile, agent }),
    },
  };
}

async function readGpus(signal: AbortSignal): Promise<FoundDevices> {
  const facts = await runProbe(nvidiaProbe(), signal);
  const command = nvidiaCommand();
  if (facts === undefined) return { devices: [], leftOut: [], command };
  const { devices, leftOut } = readDevices(facts);
  return { devices: observeDevices([], devices).map(({ device }) => device), leftOut, command };
}

/** What the doctor asks, as a command of its own. */
export function doctorParts(config: AgentConfig): DoctorParts {
  const connections = connectionsOf(config);
  const agent = connections.agentFor(config.coordinator);
  return {
    config,
    engine: examEngine(config.dockerSocket),
    findScratch: (signal) => findScratch(config, signal),
    findDevices: readGpus,
    hasDriver: hasNvidiaDriver,
    meetCoordinator: (signal) => meetCoordinator(config.coordinator, agent, signal),
    silentRegistries: (signal) => silentRegistries(registriesOf(config), signal),
    proxy: connections.proxyFor(config.coordinator),
  };
}

/** The same checks while the agent runs: what is known already is not asked for again. */
export function openSelfCheck(
  config: AgentConfig,
  machine: Machine,
  session: SessionClient,
  log: Logger,
): SelfCheck {
  const asked = doctorParts(config);
  const gpus = new Remembered<string | undefined>(gpuCheckMs);
  const meetings = new Remembered<Meeting | undefined>(meetingMs);
  const registries = new Remembered<Awaited<ReturnType<DoctorParts['silentRegistries']>>>(registryCheckMs);
  const parts: DoctorParts = {
    ...asked,
    engine: {
      facts: (signal) => asked.engine.facts(signal),
      tryGpus: async (devices, signal) =>
        (await gpus.get(devices.join(), () => asked.engine.tryGpus(devices, signal))).value,
    },
    findDevices: () => Promise.resolve(foundDevices(machine)),
    silentRegistries: async (signal) =>
      (await registries.get('', () => asked.silentRegistries(signal))).value,
    // The session itself tells whether a WebSocket opens: without one no work comes, and with one a second that fails says
    // nothing against the node. So the clock alone is left to compare.
    meetCoordinator: async (signal) => {
      if (session.token() === undefined) return undefined;
      const met = await meetings.get('', () => asked.meetCoordinator(signal)).catch(() => undefined);
      return met?.value === undefined ? undefined : { ...met.value, nowMs: met.value.nowMs + met.ageMs };
    },
  };
  return new SelfCheck({
    examine: (signal) => examine(parts, signal),
    log,
    onChange: () => session.notify(),
  });
}

function foundDevices(machine: Machine): FoundDevices | undefined {
  const state = machine.probes().nvidia;
  if (state === undefined || state.kind === 'pending') return undefined;
  if (state.kind === 'failed') throw new Error(state.error);
  return { devices: machine.devices(), leftOut: machine.leftOut(), command: nvidiaCommand() };
}
