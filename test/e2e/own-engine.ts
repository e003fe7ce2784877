import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';

/**
 * A container engine that a test may stop and kill. It has a network namespace of its own, because an engine
 * without a bridge deletes the machine's docker0.
 */
export class OwnEngine {
  readonly socketPath: string;
  readonly #base: string;
  #child: ChildProcess | undefined;

  private constructor(base: string) {
    this.#base = base;
    this.socketPath = join(base, 'docker.sock');
  }

  static async start(...flags: string[]): Promise<OwnEngine> {
    const engine = new OwnEngine(await mkdtemp(join(tmpdir(), 'cc-engine-')));
    await engine.start(...flags);
    return engine;
  }

  /** Starts it (again). On a busy machine its containerd may not be ready in the time that it allows: it tries again. */
  async start(...flags: string[]): Promise<void> {
    for (let tries = 0; tries < 5; tries++) if (await this.#startOnce(flags)) return;
    const log = await readFile(join(this.#base, 'dockerd.log'), 'utf8');
    throw new Error(`the engine of the test did not start: ${log.slice(-2000)}`);
  }

  /** Ends the daemon; what becomes of its containers depends on the signal and its flags. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  async close(): Promise<void> {
    await this.end('SIGTERM');
    // An engine with live-restore leaves its mounts behind.
    spawnSync('umount', ['--recursive', '--lazy', join(this.#base, 'data')]);
    await rm(this.#base, { recursive: true, force: true });
  }

  async #startOnce(flags: readonly string[]): Promise<boolean> {
    const log = openSync(join(this.#base, 'dockerd.log'), 'a');
    const folders = [
      `--data-root=${join(this.#base, 'data')}`,
      `--exec-root=${join(this.#base, 'exec')}`,
      `--pidfile=${join(this.#base, 'docker.pid')}`,
      `--host=unix://${this.socketPath}`,
    ];
    const network = ['--bridge=none', '--iptables=false', '--ip6tables=false'];
    // unshare(1) turns into dockerd, so that signals reach it.
    const child = spawn(
      'unshare',
      ['--net', 'dockerd', ...folders, ...network, '--storage-driver=overlay2', ...flags],
      { stdio: ['ignore', log, log] },
    );
    closeSync(log);
    this.#child = child;
    const docker = new Docker({ socketPath: this.socketPath });
    for (;;) {
      const answers = await docker.ping().then(
        () => true,
        () => false,
      );
      if (answers || child.exitCode !== null || child.signalCode !== null) return answers;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
