import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDockerRuntime } from '@capacloud/agent/runtime/docker-runtime';
import Docker from 'dockerode';
import { afterEach, describe, expect, it } from 'vitest';
import { openRuntimeRig, type RuntimeRig, readLog, script, until } from './runtime-rig.ts';

/** An engine of the test's own, which it may stop and kill. */
class OwnEngine {
  readonly base: string;
  readonly socketPath: string;
  #process: ChildProcess | undefined;

  constructor(base: string) {
    this.base = base;
    this.socketPath = join(base, 'docker.sock');
  }

  /** Tries again: on a busy machine its containerd may not be ready in the time that it allows. */
  async start(...flags: string[]): Promise<void> {
    for (let tries = 0; tries < 5; tries++) if (await this.#startOnce(flags)) return;
    throw new Error('the engine of the test did not start');
  }

  async #startOnce(flags: readonly string[]): Promise<boolean> {
    const log = createWriteStream(join(this.base, 'dockerd.log'), { flags: 'a' });
    const child = spawn(
      'dockerd',
      [
        `--data-root=${join(this.base, 'data')}`,
        `--exec-root=${join(this.base, 'exec')}`,
        `--pidfile=${join(this.base, 'docker.pid')}`,
        `--host=unix://${this.socketPath}`,
        '--bridge=none',
        '--iptables=false',
        '--ip6tables=false',
        '--storage-driver=overlay2',
        ...flags,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#process = child;
    child.stdout?.pipe(log);
    child.stderr?.pipe(log);
    const docker = new Docker({ socketPath: this.socketPath });
    let listens = false;
    await until(async () => {
      listens = await docker.ping().then(
        () => true,
        () => false,
      );
      return listens || child.exitCode !== null;
    });
    return listens;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }
}

let engine: OwnEngine;
let rig: RuntimeRig;
async function open(...flags: string[]): Promise<void> {
  engine = new OwnEngine(await mkdtemp(join(tmpdir(), 'cc-engine-')));
  await engine.start(...flags);
  rig = await openRuntimeRig({ socketPath: engine.socketPath });
}
afterEach(async () => {
  await rig.close();
  await engine.end('SIGTERM');
  // An engine with live-restore leaves its mounts behind.
  spawnSync('umount', ['--recursive', '--lazy', join(engine.base, 'data')]);
  await rm(engine.base, { recursive: true, force: true });
});

const obeysTerm = script('trap "exit 0" TERM; echo ready; while true; do sleep 0.1; done');

describe('an engine that goes away', () => {
  it('stops while a program runs that then exits with 0: the engine is to blame', async () => {
    await open();
    const key = await rig.launch(rig.assign(obeysTerm));
    const ended = rig.runtime.wait(key, rig.signal);
    const watched = rig.launch(rig.assign(script('sleep 600')));
    const sleeper = await watched;
    const sleeperEnded = rig.runtime.wait(sleeper, rig.signal);
    await engine.end('SIGTERM');
    await engine.start();
    expect(await ended).toMatchObject({ container: 'broken', engineLost: true });
    expect(await sleeperEnded).toMatchObject({ container: 'broken', engineLost: true });
    // An agent that was down meanwhile comes to the same judgement.
    const restarted = createDockerRuntime(rig.options);
    const seen = await restarted.observe(rig.signal);
    expect(seen.map((attempt) => [attempt.container, attempt.engineLost])).toEqual([
      ['broken', true],
      ['broken', true],
    ]);
  });

  it('is killed: what it took along is lost, and a new start begins afresh', async () => {
    await open();
    const running = rig.assign(obeysTerm);
    const key = await rig.launch(running);
    const waiting = rig.assign({
      ...script('echo fine; exit 0'),
      outputs: [{ path: '/out/x.txt', maxBytes: 1 }],
    });
    expect(await rig.runtime.prepare(waiting, [], rig.signal)).toMatchObject({ ok: true });
    const ended = rig.runtime.wait(key, rig.signal);
    await engine.end('SIGKILL');
    await expect(rig.runtime.ping(rig.signal)).rejects.toMatchObject({ code: 'engine_unavailable' });
    await expect(rig.runtime.observe(rig.signal)).rejects.toMatchObject({ code: 'engine_unavailable' });
    await engine.start();
    expect(await ended).toMatchObject({ container: 'broken', engineLost: true });
    expect(await rig.runtime.start(waiting, rig.signal)).toMatchObject({
      ok: false,
      refusal: { reason: 'engine_lost' },
    });
    expect(await rig.run(waiting)).toMatchObject({ container: 'exited', exitCode: 0 });
  });

  it('restarts under a container that lives on: its exit is its own', async () => {
    await open('--live-restore');
    const key = await rig.launch(rig.assign(script('echo one; sleep 12; echo two; exit 9')));
    const ended = rig.runtime.wait(key, rig.signal);
    const log = readLog(rig, key);
    await engine.end('SIGTERM');
    await engine.start('--live-restore');
    expect(await ended).toMatchObject({ container: 'exited', exitCode: 9 });
    expect((await log).stdout).toBe('one\ntwo\n');
  });
});
