import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism, freemem } from 'node:os';
import type { AccountId } from '@capacloud/protocol/ids';
import { type DockerEngine, ensureDockerEngine } from '@capacloud/rig/engine/docker-engine';
import { ensureRenderImage, renderImageName } from '@capacloud/rig/images/render-image';
import { removeLeftovers } from '@capacloud/rig/leftovers/engine-leftovers';
import type { Guard } from '@capacloud/rig/leftovers/guarded-run';
import { freeLoopDevices } from '@capacloud/rig/leftovers/loop-devices';
import {
  createAgent,
  createCoordinator,
  type LocalAgent,
  waitForNodes,
} from '@capacloud/rig/network/local-network';
import { buildPackages } from '../build-packages.ts';
import { openHead } from './audit-log.ts';
import type { DemoNetwork } from './demo-network.ts';
import { demoDir, demoName, imageCacheDir, keptFile } from './demo-places.ts';
import { endKeptProcesses, noteProcesses } from './kept-processes.ts';
import { renderPicture } from './render-picture.ts';
import { presentResult } from './result.ts';
import type { Screen } from './screen.ts';

export interface DemoOptions {
  readonly keep: boolean;
  readonly tasks: number;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly guard: Guard;
}

/** Nodes of the demo, cheapest first. */
const agentNames = ['alpha', 'beta', 'gamma'];
const grantNano = 1_000_000_000n;
const consumer = 'acc_demo' as AccountId;

export async function runDemo(options: DemoOptions): Promise<void> {
  const { screen, signal } = options;
  screen.line(
    `${screen.paint.bold('CapaCloud')} renders one picture in ${options.tasks} tasks on three nodes, and loses one on the way.\n`,
  );
  await endKeptProcesses(keptFile);
  const engine = await screen.step(
    'Docker engine',
    () => ensureDockerEngine(signal),
    ({ socketPath, startedByUs }) =>
      `Docker engine at ${socketPath}${startedByUs ? ' (started for this demo)' : ''}`,
  );
  options.guard.noteEngine(engine.socketPath);
  const started: { network?: DemoNetwork; kept: boolean } = { kept: false };
  try {
    started.network = await startNetwork(options, engine);
    const rendering = await renderPicture({ network: started.network, tasks: options.tasks, screen, signal });
    await presentResult({ network: started.network, rendering, screen, signal });
    if (options.keep) {
      await keepRunning(started.network, engine, screen);
      started.kept = true;
      options.guard.release();
    }
  } finally {
    if (!started.kept) await stopEverything(started.network, engine);
  }
}

async function startNetwork(options: DemoOptions, engine: DockerEngine): Promise<DemoNetwork> {
  const { screen, signal } = options;
  await screen.step(
    'Build',
    () => buildPackages(signal),
    () => 'Packages are built',
  );
  await screen.step(
    'Workload image',
    () =>
      ensureRenderImage({
        docker: engine.socketPath,
        cacheDir: imageCacheDir,
        log: (line) => screen.line(screen.paint.dim(`  ${line}`)),
        signal,
      }),
    ({ image, builtFrom }) =>
      `Workload image ${image} (${{ cache: 'there already', registry: 'built from a registry', debian: 'built from Debian packages' }[builtFrom]})`,
  );
  await removeLeftovers(engine.socketPath, demoName);
  const dir = `${demoDir}/network`;
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const processes: { pid: number; name: string; marker: string }[] = [];
  const note = async (name: string, pid: number | undefined) => {
    if (pid !== undefined) processes.push({ pid, name, marker: dir });
    await noteProcesses(keptFile, processes);
  };
  const coordinator = await screen.step(
    'Coordinator',
    () => createCoordinator({ dir, name: demoName, settings: demoRules, signal }),
    ({ url }) => `Coordinator at ${url}, on embedded SQLite`,
  );
  await note('coordinator', coordinator.process.pid);
  try {
    const agents: LocalAgent[] = [];
    const share = shareOfMachine();
    await screen.step(
      'Agents',
      async () => {
        for (const [index, name] of agentNames.entries()) {
          const agent = await createAgent({
            dir,
            name,
            coordinatorUrl: coordinator.url,
            coordinatorName: demoName,
            dockerSocket: engine.socketPath,
            settings: { resources: share.settings, ask: askOf(index), local_images: [renderImageName] },
          });
          agent.start();
          agents.push(agent);
          await note(name, agent.process.pid);
        }
        await waitForNodes(coordinator.operator, agentNames.length, { signal });
      },
      () =>
        `Agents ${agentNames.join(', ')}, each with ${(share.cpuMilli / 1000).toFixed(2)} of ${availableParallelism()} processors and 2 slots`,
    );
    const { client, secret } = await coordinator.openAccount(consumer, grantNano);
    return { coordinator, agents, client, secret, firstHead: await openHead(client) };
  } catch (error) {
    await coordinator.process.stop();
    throw error;
  }
}

/** Short leases, so that the lost node is noticed while somebody watches; the defaults are for networks. */
const demoRules = { rules: { lease_ms: 8000, unknown_after_ms: 4000, lost_margin_ms: 2000 } };

/** A third of the machine for each agent, in two slots. Its disk may be memory, so it is no more than tasks need. */
function shareOfMachine() {
  const cpuMilli = Math.floor((availableParallelism() * 1000) / agentNames.length);
  const memoryMib = Math.max(768, Math.floor(freemem() / 2 ** 20 / 4));
  return { cpuMilli, settings: { cpu: `${cpuMilli}m`, memory: `${memoryMib}Mi`, disk: '64Mi', slots: 2 } };
}

/** Prices that differ, so that placement has something to choose. */
function askOf(index: number) {
  return {
    cpu_hour: (0.01 + index * 0.002).toFixed(3),
    memory_gib_hour: '0.002',
    disk_gib_hour: '0.0001',
    device_hour: '0.5',
  };
}

async function stopEverything(network: DemoNetwork | undefined, engine: DockerEngine): Promise<void> {
  await Promise.all((network?.agents ?? []).map(({ process }) => process.stop()));
  await network?.coordinator.process.stop();
  await endKeptProcesses(keptFile);
  await removeLeftovers(engine.socketPath, demoName).catch(() => undefined);
  await freeLoopDevices(demoDir);
  await engine.stop();
}

async function keepRunning(network: DemoNetwork, engine: DockerEngine, screen: Screen): Promise<void> {
  for (const agent of network.agents) if (!agent.process.running) agent.start();
  const pids = [network.coordinator.process, ...network.agents.map(({ process }) => process)];
  await noteProcesses(
    keptFile,
    pids.flatMap(({ name, pid }) => (pid === undefined ? [] : [{ pid, name, marker: `${demoDir}/network` }])),
  );
  for (const process of pids) process.release();
  if (network.coordinator.process.pid !== undefined) engine.handOver(network.coordinator.process.pid);
  screen.line('');
  screen.line(screen.paint.bold('The network keeps running. Try:'));
  screen.line(`    export CAPACLOUD_URL=${network.coordinator.url}`);
  screen.line(`    export CAPACLOUD_API_KEY=${network.secret}`);
  screen.line('    npx capacloud ps');
  screen.line(`    ${screen.paint.dim('npm run demo -- --clean ends it')}`);
}
