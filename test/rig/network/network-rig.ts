import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askStatus } from '@capacloud/agent/host/status-socket';
import type { AgentStatus } from '@capacloud/agent/host/status-text';
import type { Client } from '@capacloud/client/client';
import type { Event } from '@capacloud/core/contract/event';
import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import type { JobFile } from '@capacloud/protocol/job/job-file';
import { endedJobStates } from '@capacloud/protocol/routes/states';
import type { AttemptView, JobView, NodeView, TaskView } from '@capacloud/protocol/routes/views';
import Docker from 'dockerode';
import { dockerSocket, ensureBusyboxImage, testImages } from '../images/engine-images.ts';
import { waitUntil } from '../programs/managed-process.ts';
import { markedName } from '../programs/marked-name.ts';
import { repositoryRoot } from '../repository-root.ts';
import { createAgent, createCoordinator, type LocalAgent, type LocalCoordinator } from './local-network.ts';
import { readEvents } from './public-log.ts';

const cliMain = join(repositoryRoot, 'shared', 'client', 'dist', 'cli', 'main.js');
/** Long enough for a machine that does much else; a test that passes never waits so long. */
const patienceMs = 120_000;

export type JobChange = Omit<Partial<JobFile>, 'version'>;

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A coordinator and its agents as processes of their own, from the build, on a real engine. */
export interface NetworkRig {
  readonly dir: string;
  readonly name: string;
  readonly coordinator: LocalCoordinator;
  readonly docker: Docker;
  readonly image: string;
  readonly account: AccountId;
  /** Of a consumer with tokens. */
  readonly client: Client;
  readonly secret: string;
  /** Starts an agent and does not wait for it. */
  startAgent(name: string, settings?: Readonly<Record<string, unknown>>): Promise<LocalAgent>;
  /** Starts an agent and waits until its node is ready. */
  addAgent(name: string, settings?: Readonly<Record<string, unknown>>): Promise<LocalAgent>;
  /** The node of an agent. */
  nodeOf(agent: LocalAgent): Promise<NodeId>;
  /** A job of the shell script, small unless it says otherwise. */
  submit(script: string, change?: JobChange): Promise<JobView>;
  job(job: JobId): Promise<JobView>;
  tasks(job: JobId): Promise<readonly TaskView[]>;
  attempts(task: TaskId): Promise<readonly AttemptView[]>;
  nodes(): Promise<readonly NodeView[]>;
  /** Waits until the job has ended; gives its tasks. */
  ended(job: JobId): Promise<readonly TaskView[]>;
  /** Waits until every task of the job is in the state. */
  reached(job: JobId, state: TaskView['state']): Promise<readonly TaskView[]>;
  /** The log of an attempt. */
  logText(task: TaskId, attempt: number): Promise<string>;
  /** The public log, from its start. */
  events(): Promise<readonly Event[]>;
  /** Lets a container of `untilTold` go on. */
  tell(task: TaskId, attempt: number): Promise<void>;
  /** Runs the command line with the consumer's key. */
  capacloud(...args: readonly string[]): Promise<CommandResult>;
  /** Containers of this network, running or not. */
  containers(): Promise<readonly Docker.ContainerInfo[]>;
  close(): Promise<void>;
}

export interface NetworkRigOptions {
  readonly socketPath?: string;
  readonly rules?: Readonly<Record<string, number>>;
  /** Limits of the artifact store. */
  readonly artifacts?: Readonly<Record<string, string>>;
}

export async function openNetworkRig(options: NetworkRigOptions = {}): Promise<NetworkRig> {
  const socketPath = options.socketPath ?? dockerSocket;
  const docker = new Docker({ socketPath });
  const image = await ensureBusyboxImage(docker);
  const dir = await mkdtemp(join(tmpdir(), 'cc-net-'));
  const name = markedName(dir.slice(-6));
  const coordinator = await createCoordinator({
    dir,
    name,
    settings: {
      log_level: 'warn',
      ...(options.rules === undefined ? {} : { rules: options.rules }),
      ...(options.artifacts === undefined ? {} : { artifacts: options.artifacts }),
    },
  });
  const account = 'acc_tester' as AccountId;
  const { client, secret } = await coordinator.openAccount(account, 10n ** 15n);
  const agents: LocalAgent[] = [];
  const labels = JSON.stringify({ label: [`capacloud.coordinator=${name}`] });
  const containers = () => docker.listContainers({ all: true, filters: labels });

  const rig: NetworkRig = {
    dir,
    name,
    coordinator,
    docker,
    image,
    account,
    client,
    secret,
    async startAgent(agentName, settings = {}) {
      const agent = await createAgent({
        dir,
        name: agentName,
        coordinatorUrl: coordinator.url,
        coordinatorName: name,
        dockerSocket: socketPath,
        settings: {
          resources: { cpu: '2', memory: '1Gi', disk: '1Gi', slots: 8 },
          scratch: 'memory',
          local_images: testImages,
          ...settings,
        },
      });
      agents.push(agent);
      agent.start();
      return agent;
    },
    async addAgent(agentName, settings) {
      const agent = await rig.startAgent(agentName, settings);
      const node = await rig.nodeOf(agent);
      await waitUntil(
        `the node of ${agentName} to be ready`,
        async () => {
          return (await rig.nodes()).some(({ id, status }) => id === node && status === 'ready');
        },
        { timeoutMs: patienceMs, process: agent.process },
      );
      return agent;
    },
    async nodeOf(agent) {
      return (
        await waitUntil(`the status of ${agent.name}`, () => statusOf(agent).catch(() => undefined), {
          timeoutMs: patienceMs,
          process: agent.process,
        })
      ).node as NodeId;
    },
    submit: (script, change = {}) =>
      client.call('submitJob', { body: jobOf(image, script, change), query: { wait: 0 } }),
    job: (job) => client.call('getJob', { params: { job } }),
    tasks: async (job) => (await client.call('listTasks', { params: { job }, query: { limit: 100 } })).items,
    attempts: async (task) => (await client.call('listAttempts', { params: { task } })).items,
    nodes: async () => (await client.call('listNodes', { query: { limit: 100 } })).items,
    async ended(job) {
      await waitUntil(`job ${job} to end`, async () => endedJobStates.includes((await rig.job(job)).state), {
        timeoutMs: patienceMs,
        intervalMs: 200,
      }).catch(async (error: Error) => {
        error.message += `; its tasks: ${JSON.stringify(await rig.tasks(job))}`;
        throw error;
      });
      return rig.tasks(job);
    },
    reached: (job, state) =>
      waitUntil(
        `the tasks of ${job} to be ${state}`,
        async () => {
          const tasks = await rig.tasks(job);
          return tasks.length > 0 && tasks.every((task) => task.state === state) ? tasks : undefined;
        },
        { timeoutMs: patienceMs, intervalMs: 100 },
      ),
    async logText(task, attempt) {
      const response = await client.open('followLog', {
        params: { task, attempt },
        headers: { accept: 'text/plain' },
      });
      return await response.text();
    },
    events: () => readEvents(client),
    async tell(task, attempt) {
      const container = docker.getContainer(`cc-${task}-${attempt}`);
      const exec = await container.exec({ Cmd: ['/bin/touch', '/tmp/go'], User: '65532:65532' });
      await exec.start({ Detach: true });
    },
    async capacloud(...args) {
      const env = {
        ...process.env,
        CAPACLOUD_URL: coordinator.url,
        CAPACLOUD_API_KEY: secret,
        XDG_CONFIG_HOME: join(dir, 'config'),
        NO_COLOR: '1',
      };
      return runCommand([cliMain, ...args], { cwd: dir, env });
    },
    containers,
    async close() {
      for (const agent of agents) await agent.process.stop();
      await coordinator.process.stop();
      for (const { Id: id } of await containers())
        await docker.getContainer(id).remove({ force: true, v: true });
      const { Volumes: volumes } = await docker.listVolumes({ filters: labels });
      for (const volume of volumes) await docker.getVolume(volume.Name).remove();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return rig;
}

/** Runs a script of Node to its end. */
export async function runCommand(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** A line of a script that waits until the test tells it to go on. */
export const untilTold = 'while [ ! -e /tmp/go ]; do sleep 0.1; done';

/** A job file for a shell script. */
export function jobOf(image: string, script: string, change: JobChange = {}): object {
  return {
    version: '1',
    image,
    command: script,
    resources: { cpu: 0.25, memory: '32Mi', disk: '8Mi', shm_size: '1Mi' },
    timeout: '2m',
    stop_grace_period: '2s',
    retry: { backoff: { initial: '1s', max: '1s' } },
    ...change,
  };
}

export async function statusOf(agent: LocalAgent): Promise<AgentStatus> {
  return (await askStatus(join(agent.stateDir, 'agent.sock'))) as AgentStatus;
}

/** Writes a job file into the rig's folder and gives its path. */
export async function writeJobFile(rig: NetworkRig, file: string, job: object): Promise<string> {
  const path = join(rig.dir, file);
  // JSON is YAML.
  await writeFile(path, `${JSON.stringify(job)}\n`);
  return path;
}
