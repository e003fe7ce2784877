import { mkdir, mkdtemp, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import Docker from 'dockerode';
import { ManagedProcess, waitUntil } from '../programs/managed-process.ts';

const startTimeoutMs = 60_000;
const endTimeoutMs = 30_000;
const prefix = 'cc-engine-';
/**
 * A new mount namespace has a copy of every mount, and a disk that is unmounted outside stays attached for as long as
 * there is one: it gives back the loop devices that are not its own, and waits.
 */
const firstProcess = `
grep ^/dev/loop /proc/mounts | while read -r device point rest; do
  case "$point" in "$0"/*) ;; *) umount "$point" 2>/dev/null ;; esac
done
sleep infinity & wait`;
const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];

/**
 * A container engine of the test's own, on a machine of its own: PID, mount and network namespaces whose first process
 * only waits. So the daemon may be stopped, frozen and killed alone, with containers that live on; and the power may be
 * cut, when the kernel takes daemon, shims and containers at once. Its mounts go with the machine, and the network
 * namespace is a must: an engine without a bridge deletes the docker0 that it sees.
 */
export class OwnEngine {
  readonly socketPath: string;
  readonly docker: Docker;
  /** A short path: that of a unix socket has 107 characters at most. */
  readonly #dir: string;
  readonly #cgroup: string;
  readonly #logFile: string;
  readonly #machine: ManagedProcess;
  #daemon: ManagedProcess | undefined;

  private constructor(dir: string, logDir: string) {
    this.#dir = dir;
    this.#logFile = join(logDir, 'dockerd.log');
    this.#cgroup = basename(dir);
    this.socketPath = join(dir, 'docker.sock');
    this.docker = new Docker({ socketPath: this.socketPath });
    this.#machine = new ManagedProcess({
      name: 'machine',
      command: 'unshare',
      // The shell waits for its one child, and reaps whatever else ends meanwhile.
      args: [...namespaces, 'sh', '-c', firstProcess, dir],
      logFile: join(dir, 'machine.log'),
    });
  }

  /**
   * A machine that is off. Its folder is there, so that `dataDir` can be made something special. The log outlives
   * `close` in the folder that is given.
   */
  static async create(parent?: string): Promise<OwnEngine> {
    const dir = await mkdtemp(join(parent ?? tmpdir(), prefix));
    return new OwnEngine(dir, parent ?? dir);
  }

  static async start(...flags: string[]): Promise<OwnEngine> {
    const engine = await OwnEngine.create();
    await engine.start(...flags);
    return engine;
  }

  get dataDir(): string {
    return join(this.#dir, 'data');
  }

  /** Starts it (again). On a busy machine its containerd may not be ready in the time that it allows: it tries again. */
  async start(...flags: string[]): Promise<void> {
    const daemon = this.#makeDaemon(await this.#startMachine(), flags);
    this.#daemon = daemon;
    daemon.start();
    await waitUntil(
      'the engine of the test to answer',
      async () => {
        if (!daemon.running) daemon.start();
        return await this.#answers();
      },
      { timeoutMs: startTimeoutMs, intervalMs: 100 },
    ).catch(async (cause: Error) => {
      const log = await readFile(this.#logFile, 'utf8').catch(() => '');
      throw new Error(`${cause.message}: ${log.slice(-2000)}`, { cause });
    });
  }

  /** Ends the daemon; what becomes of its containers depends on the signal and its flags. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.signal(signal);
    await waitUntil('the engine to end', () => this.#daemon?.running !== true, {
      timeoutMs: endTimeoutMs,
      intervalMs: 20,
    });
  }

  /** Sends the daemon a signal, also to suspend it. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const daemon = this.#daemon;
    if (daemon?.running !== true || daemon.pid === undefined) return;
    const pid = await childOf(daemon.pid);
    if (pid === undefined) return;
    process.kill(pid, signal);
    // nsenter(1) stops when its child is stopped, and has to hear of the end, too.
    if (signal === 'SIGCONT') daemon.signal(signal);
  }

  /** Resolves when every process of the machine is gone. */
  async cutPower(): Promise<void> {
    const { pid } = this.#machine;
    if (pid === undefined || !this.#machine.running) return;
    const first = await childOf(pid);
    // The parent waits for it, and the kernel lets it go only after all others of its namespace.
    if (first !== undefined) process.kill(first, 'SIGKILL');
    this.#daemon?.signal('SIGCONT');
    const isUp = () => this.#machine.running || this.#daemon?.running === true;
    await waitUntil('the machine to die', () => !isUp(), { timeoutMs: endTimeoutMs, intervalMs: 20 });
  }

  async close(): Promise<void> {
    await this.cutPower();
    await removeCgroups(this.#cgroup);
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** The first process of the machine, which is started unless it runs. */
  async #startMachine(): Promise<number> {
    if (!this.#machine.running) await this.#boot();
    return await waitUntil(
      'the machine to be up',
      async () => {
        return await childOf(this.#machine.pid ?? 0);
      },
      { timeoutMs: startTimeoutMs, intervalMs: 20, process: this.#machine },
    );
  }

  async #boot(): Promise<void> {
    // What a machine keeps in memory is gone when it comes up again: sockets, pid files, the state of runc.
    await rm(join(this.#dir, 'run'), { recursive: true, force: true });
    await rm(this.socketPath, { force: true });
    await mkdir(join(this.#dir, 'run'), { recursive: true });
    this.#machine.start();
  }

  #makeDaemon(first: number, flags: readonly string[]): ManagedProcess {
    const dockerd = [
      'dockerd',
      `--data-root=${this.dataDir}`,
      `--exec-root=${join(this.#dir, 'run', 'exec')}`,
      `--pidfile=${join(this.#dir, 'run', 'docker.pid')}`,
      `--host=unix://${this.socketPath}`,
      `--cgroup-parent=/${this.#cgroup}`,
      '--storage-driver=overlay2',
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false',
      ...flags,
    ];
    return new ManagedProcess({
      name: 'dockerd',
      command: 'nsenter',
      args: ['--target', String(first), '--net', '--mount', '--pid', ...dockerd],
      logFile: this.#logFile,
    });
  }

  #answers(): Promise<boolean> {
    return this.docker.ping().then(
      () => true,
      () => false,
    );
  }
}

/** The first child of a process, if it has one. */
async function childOf(pid: number): Promise<number | undefined> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const first = Number(children.trim().split(' ')[0]);
  return first > 0 ? first : undefined;
}

/** Empty groups that a cut left behind, in each hierarchy (version 1) or the one there is (version 2). */
async function removeCgroups(name: string): Promise<void> {
  const root = '/sys/fs/cgroup';
  const hierarchies = await readdir(root, { withFileTypes: true });
  const folders = [
    root,
    ...hierarchies.filter((each) => each.isDirectory()).map((each) => join(root, each.name)),
  ];
  for (const folder of folders) await removeGroup(join(folder, name));
}

async function removeGroup(path: string): Promise<void> {
  const below = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const each of below) if (each.isDirectory()) await removeGroup(join(path, each.name));
  // Another hierarchy's link to the same folder, or none: either way there is nothing left to remove.
  await rmdir(path).catch(() => undefined);
}
