import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Client } from '@capacloud/client/client';
import { createClient } from '@capacloud/client/client';
import { testImages } from '@capacloud/rig/images/engine-images';
import { runMark } from '@capacloud/rig/leftovers/run-mark';
import { runCommand } from '@capacloud/rig/programs/command';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { markedName } from '@capacloud/rig/programs/marked-name';
import { hasProgram, type Program } from '@capacloud/rig/programs/programs';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import Docker from 'dockerode';

type Argv = readonly [Program, ...string[]];
export type Service = 'coordinator' | 'agent';

const never = new AbortController().signal;
const patienceMs = 120_000;

/** How compose is called on this machine: as the plugin of today's Docker, or as the program that Debian has. */
export async function findCompose(): Promise<Argv | undefined> {
  for (const argv of [['docker', 'compose'] as const, ['docker-compose'] as const])
    if (await succeeds([...argv, 'version'])) return argv;
  return undefined;
}

/** Whether there is a program to build images with, and the npm registry, whose packages they are made of, answers. */
export async function canBuildImages(): Promise<boolean> {
  return hasProgram('docker') && (await succeeds(['npm', 'view', 'npm', 'version']));
}

async function succeeds([program, ...args]: Argv): Promise<boolean> {
  return (await runCommand(program, args, { cwd: '/', output: 'capture' }, never)).exitCode === 0;
}

/** compose.yaml under a name of its own, with health checks that are quick to change their mind. */
export class ComposeProject {
  readonly dir: string;
  readonly name: string;
  readonly docker: Docker;
  readonly #compose: Argv;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(compose: Argv, dir: string, socketPath: string, env: NodeJS.ProcessEnv) {
    this.#compose = compose;
    this.#env = env;
    this.dir = dir;
    this.name = `capacloud-${runMark()}-${dir.slice(-6).toLowerCase()}`;
    this.docker = new Docker({ socketPath });
  }

  static async create(compose: Argv, socketPath: string): Promise<ComposeProject> {
    const dir = await mkdtemp(join(tmpdir(), 'cc-compose-'));
    const quick = { interval: '1s', timeout: '10s', retries: 2, start_period: '60s' };
    // JSON is YAML.
    const override = { services: { coordinator: { healthcheck: quick }, agent: { healthcheck: quick } } };
    await writeFile(join(dir, 'quick.yaml'), JSON.stringify(override));
    // Instead of the file .env that a developer may keep beside compose.yaml.
    await writeFile(join(dir, 'empty.env'), '');
    return new ComposeProject(compose, dir, socketPath, {
      PATH: process.env.PATH,
      HOME: dir,
      DOCKER_HOST: `unix://${socketPath}`,
      DOCKER_SOCKET: socketPath,
      DOCKER_GID: String((await stat(socketPath)).gid),
      CAPACLOUD_NAME: markedName(dir.slice(-6)),
      // Any free port of the loopback interface.
      CAPACLOUD_PUBLISH: '127.0.0.1:',
      CAPACLOUD_AGENT_RESOURCES_CPU: '1',
      CAPACLOUD_AGENT_RESOURCES_MEMORY: '1Gi',
      CAPACLOUD_AGENT_RESOURCES_DISK: '1Gi',
      CAPACLOUD_AGENT_LOCAL_IMAGES: testImages.join(','),
    });
  }

  /** Runs compose and gives its standard output. Throws with all that it said when it fails. */
  async compose(...args: readonly string[]): Promise<string> {
    const [program, ...first] = this.#compose;
    const files = ['--file', join(repositoryRoot, 'compose.yaml'), '--file', join(this.dir, 'quick.yaml')];
    const project = ['--project-name', this.name, '--env-file', join(this.dir, 'empty.env')];
    const all = [...first, ...project, ...files, ...args];
    let stdout = '';
    const onStdout = async (stream: NodeJS.ReadableStream): Promise<void> => {
      stdout = await text(stream);
    };
    const options = { cwd: repositoryRoot, env: this.#env, output: 'capture', onStdout } as const;
    const { exitCode, output } = await runCommand(program, all, options, never);
    if (exitCode !== 0)
      throw new Error(`compose ${args.join(' ')} ended with ${exitCode}:\n${output}${stdout}`);
    return stdout;
  }

  /** Runs a program in the container of a service and gives its standard output. */
  async exec(service: Service, ...argv: readonly string[]): Promise<string> {
    return await this.compose('exec', '-T', service, ...argv);
  }

  /** The newest container of a service, running or not. */
  async container(service: Service): Promise<Docker.Container> {
    const label = [`com.docker.compose.project=${this.name}`, `com.docker.compose.service=${service}`];
    const [found] = await this.docker.listContainers({ all: true, filters: { label } });
    if (found === undefined) throw new Error(`there is no container of ${service}`);
    return this.docker.getContainer(found.Id);
  }

  async inspect(service: Service): Promise<Docker.ContainerInspectInfo> {
    return await (await this.container(service)).inspect();
  }

  async waitForHealth(service: Service, health: 'healthy' | 'unhealthy'): Promise<void> {
    await waitUntil(
      `${service} to be ${health}`,
      async () => (await this.inspect(service)).State.Health?.Status === health,
      { timeoutMs: patienceMs, intervalMs: 250 },
    );
  }

  /** Where the coordinator is reached from here, and a client with the key that it made for its operator. */
  async operator(): Promise<{ readonly url: string; readonly client: Client }> {
    const address = (await this.compose('port', 'coordinator', '8080')).trim();
    const apiKey = (await this.exec('coordinator', 'cat', '/var/lib/capacloud/operator.key')).trim();
    const url = `http://${address}`;
    return { url, client: createClient({ baseUrl: url, apiKey, maxTries: 10 }) };
  }

  /** Removes everything of the project, also containers and volumes of its jobs; images stay. */
  async close(): Promise<void> {
    try {
      await this.compose('down', '--volumes', '--remove-orphans', '--timeout', '10');
    } finally {
      const filters = { label: [`capacloud.coordinator=${this.#env['CAPACLOUD_NAME'] ?? ''}`] };
      for (const { Id: id } of await this.docker.listContainers({ all: true, filters }))
        await this.docker.getContainer(id).remove({ force: true, v: true });
      const { Volumes: volumes } = await this.docker.listVolumes({ filters: JSON.stringify(filters) });
      for (const volume of volumes) await this.docker.getVolume(volume.Name).remove();
      await rm(this.dir, { recursive: true, force: true });
    }
  }
}
