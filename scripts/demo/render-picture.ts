import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { uploadArtifact } from '@capacloud/client/artifact-files';
import { followJob } from '@capacloud/client/follow';
import type { NodeId } from '@capacloud/protocol/ids';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import { formatNano } from '@capacloud/protocol/units';
import { renderImageName } from '@capacloud/rig/images/render-image';
import { computeAddress } from 'ethers';
import type { DemoNetwork } from './demo-network.ts';
import { sceneFile } from './demo-places.ts';
import type { Board, Screen } from './screen.ts';

const width = 1280;
const height = 960;
const columns = 8;

export interface Rendering {
  readonly job: JobView;
  readonly tasks: readonly TaskView[];
  readonly agents: Board['agents'];
  readonly killed: string;
  readonly grid: { readonly width: number; readonly height: number; readonly columns: number };
  readonly elapsedMs: number;
}

/** Uploads the scene, submits the job, kills an agent once work is under way, and waits for the end. */
export async function renderPicture({
  network,
  tasks: count,
  screen,
  signal,
}: {
  readonly network: DemoNetwork;
  readonly tasks: number;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}): Promise<Rendering> {
  const { client } = network;
  const scene = await screen.step(
    'Upload',
    () => uploadArtifact(client, sceneFile, { signal }),
    (artifact) =>
      `Uploaded the scene: ${(artifact.size_bytes / 1024).toFixed(1)} KiB, sha256 ${artifact.sha256.slice(0, 16)}…`,
  );
  const started = performance.now();
  const submitted = await screen.step(
    'Submit',
    () => client.call('submitJob', { body: jobFile(scene.sha256, count), signal }),
    (job) => `Submitted ${job.id}: ${count} tasks, ${formatNano(BigInt(job.held_nano))} CAPA held`,
  );
  const agents = new Map<string, { name: string; colour: number; alive: boolean }>();
  for (const [colour, agent] of network.agents.entries())
    agents.set(await nodeOf(agent.stateDir), { name: agent.name, colour, alive: true });

  const tasks = new Map<number, TaskView>();
  const board = (): Board => ({
    title: 'Rendering',
    columns,
    agents,
    elapsedMs: performance.now() - started,
    tasks: Array.from({ length: count }, (_, index) => tasks.get(index) ?? placeholder(submitted, index)),
  });
  let killed: string | undefined;
  let final: JobView = submitted;
  for await (const change of followJob(client, submitted.id, { signal })) {
    if (change.kind === 'job') final = change.job;
    else tasks.set(change.task.index, change.task);
    screen.board(board());
    killed ??= await killOne(network, agents, [...tasks.values()], screen);
  }
  screen.board(board());
  screen.settle();
  if (final.state !== 'succeeded')
    throw new Error(
      `the job ended ${final.state}: ${[...tasks.values()].find((task) => task.state !== 'succeeded')?.message ?? ''}`,
    );
  if (killed === undefined) throw new Error('the job was over before an agent could be killed');
  return {
    job: final,
    tasks: board().tasks,
    agents,
    killed,
    grid: { width, height, columns },
    elapsedMs: performance.now() - started,
  };
}

function jobFile(scene: string, count: number) {
  return {
    version: '1',
    name: 'capacloud-demo',
    image: renderImageName,
    replicas: count,
    env: { WIDTH: width, HEIGHT: height, COLUMNS: columns },
    resources: { cpu: '300m', memory: '256Mi', disk: '16Mi', shm_size: '1Mi' },
    inputs: [{ source: `artifact:${scene}`, target: '/in/scene.pov' }],
    outputs: [{ path: '/out/tile.png' }],
    timeout: '10m',
    retry: { max_attempts: 2, provider_lost: 5 },
    price: { max_per_hour: '0.05', currency: 'CAPA' },
  };
}

/** kill -9 of the agent that runs most, once a quarter of the picture is there. */
async function killOne(
  network: DemoNetwork,
  agents: Map<string, { name: string; colour: number; alive: boolean }>,
  tasks: readonly TaskView[],
  screen: Screen,
): Promise<string | undefined> {
  if (tasks.filter((task) => task.state === 'succeeded').length < tasks.length / 4) return undefined;
  const running = tasks.filter((task) => task.state === 'running');
  for (const [node, agent] of agents) {
    const lost = running.filter((task) => task.node === node);
    const process = network.agents.find(({ name }) => name === agent.name)?.process;
    if (lost.length === 0 || process === undefined || agent.name === 'alpha') continue;
    const pid = process.pid;
    await process.kill();
    agents.set(node, { ...agent, alive: false });
    screen.line(
      `${screen.paint.bad('✖')} kill -9 ${agent.name} (process ${pid}); ${lost.length === 1 ? 'task' : 'tasks'} ${lost.map((task) => task.index).join(' and ')} ran there`,
    );
    return agent.name;
  }
  return undefined;
}

/** The node's id from its key, as the coordinator derives it from the signature. */
async function nodeOf(stateDir: string): Promise<NodeId> {
  const key = (await readFile(join(dirname(stateDir), 'node.key'), 'utf8')).trim();
  return `node_${computeAddress(key).slice(2).toLowerCase()}` as NodeId;
}

function placeholder(job: JobView, index: number): TaskView {
  return {
    id: `${job.id}.${index}` as TaskView['id'],
    job: job.id,
    index,
    state: 'queued',
    reason: 'submitted',
    message: '',
    hint: '',
    will_retry: false,
    attempts: 0,
    charged_nano: '0',
    outputs: [],
    updated_at: job.submitted_at,
  };
}
