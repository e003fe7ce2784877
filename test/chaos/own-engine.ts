import { mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import Docker from 'dockerode';
import { ManagedProcess, waitUntil } from '../../scripts/network/managed-process.ts';

const startTimeoutMs = 60_000;

/**
 * A container engine of the test's own, which it may cut off like a machine that loses its power. The engine is the
 * first process of a PID namespace, so that the kernel kills containerd, shims and containers with it, at once; its
 * mounts go with its mount namespace, and its network namespace keeps it off the machine's bridge and rules.
 */
export class OwnEngine {
  readonly socketPath: string;
  readonly docker: Docker;
  readonly #dir: string;
  readonly #cgroup: string;
  readonly #process: ManagedProcess;

  /** `dir` is short (the path of a unix socket has 107 characters at most) and on a file system for overlays. */
  constructor(dir: string) {
    this.#dir = dir;
    this.#cgroup = basename(dir);
    this.socketPath = join(dir, 'docker.sock');
    this.docker = new Docker({ socketPath: this.socketPath });
    const dockerd = [
      'dockerd',
      `--data-root=${join(dir, 'data')}`,
      `--exec-root=${join(dir, 'run', 'exec')}`,
      `--pidfile=${join(dir, 'run', 'docker.pid')}`,
      `--host=unix://${this.socketPath}`,
      `--cgroup-parent=/${this.#cgroup}`,
      '--storage-driver=overlay2',
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false',
    ];
    this.#process = new ManagedProcess({
      name: 'dockerd',
      command: 'unshare',
      args: ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', ...dockerd],
      logFile: join(dir, 'dockerd.log'),
    });
  }

  async start(): Promise<void> {
    // What a machine keeps in memory is gone when it comes up again: sockets, pid files, the state of runc.
    await rm(join(this.#dir, 'run'), { recursive: true, force: true });
    await rm(this.socketPath, { force: true });
    await mkdir(join(this.#dir, 'run'), { recursive: true });
    this.#process.start();
    await waitUntil(
      'the engine of the test to answer',
      async () => {
        // On a busy machine its containerd may not be ready in the time that dockerd allows it.
        if (!this.#process.running) this.#process.start();
        return this.docker.ping().then(
          () => true,
          () => false,
        );
      },
      { timeoutMs: startTimeoutMs, intervalMs: 200 },
    );
  }

  /** Resolves when every process of the engine, its containers included, is gone. */
  async cutPower(): Promise<void> {
    const { pid } = this.#process;
    if (pid === undefined || !this.#process.running) return;
    const first = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim();
    // The parent waits for it, and the kernel lets it go only after all others of its namespace.
    if (first !== '') process.kill(Number(first), 'SIGKILL');
    await waitUntil('the engine to die', () => !this.#process.running, { timeoutMs: 20_000 });
  }

  async close(): Promise<void> {
    await this.cutPower();
    await removeCgroups(this.#cgroup);
    await rm(this.#dir, { recursive: true, force: true });
  }
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
