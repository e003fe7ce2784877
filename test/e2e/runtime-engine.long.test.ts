import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createDockerRuntime } from '@capacloud/agent/container/docker-runtime';
import { killStrays } from '@capacloud/agent/container/stray-processes';
import type { AttemptKey } from '@capacloud/agent/core/ports';
import { OwnEngine } from '@capacloud/rig/engine/own-engine';
import { openRuntimeRig, type RuntimeRig, readLog, script } from '@capacloud/rig/engine/runtime-rig';
import { afterEach, describe, expect, it } from 'vitest';

let engine: OwnEngine;
let rig: RuntimeRig;
async function open(...flags: string[]): Promise<void> {
  engine = await OwnEngine.start(...flags);
  rig = await openRuntimeRig({ socketPath: engine.socketPath, unansweredStartMs: 1000 });
}
afterEach(async () => {
  await rig.close();
  await engine.close();
});

/** An engine keeps the volumes that it lost count of until it begins without their containers. */
async function forget(key: AttemptKey): Promise<void> {
  await rig.runtime.remove(key, rig.signal).catch(() => {});
  await engine.end('SIGTERM');
  await engine.start('--live-restore');
}

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
    expect(await rig.start(waiting)).toMatchObject({
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
    await forget(key);
  });
});

describe('an engine that restarts around a start', () => {
  it('lost the scratch that the keeper holds: nothing is started on another', async () => {
    await open('--live-restore');
    const assignment = rig.assign({
      ...script('echo 1 > /out/x.txt'),
      outputs: [{ path: '/out/x.txt', maxBytes: 10 }],
    });
    expect(await rig.runtime.prepare(assignment, [], rig.signal)).toMatchObject({ ok: true });
    await engine.end('SIGKILL');
    await engine.start('--live-restore');
    expect(await rig.start(assignment)).toMatchObject({
      ok: false,
      refusal: { reason: 'engine_lost', message: expect.stringContaining('lost the scratch') },
    });
    await forget(assignment);
  });

  it('lost the scratch that a task wrote: that is no output that is missing', async () => {
    await open('--live-restore');
    const assignment = rig.assign({
      ...script('echo 1 > /out/x.txt; sleep 8'),
      outputs: [{ path: '/out/x.txt', maxBytes: 10 }],
    });
    const ended = rig.runtime.wait(await rig.launch(assignment), rig.signal);
    await engine.end('SIGTERM');
    await engine.start('--live-restore');
    expect(await ended).toMatchObject({ container: 'exited', exitCode: 0 });
    expect(await rig.runtime.collect(assignment, await rig.folder(), rig.signal)).toMatchObject({
      ok: false,
      refusal: { reason: 'engine_lost', message: expect.stringContaining('lost the scratch') },
    });
    await forget(assignment);
  });

  it('saw the end of a program that exits as if nobody had: the exit is its own', async () => {
    await open();
    expect(await rig.run(rig.assign(script('exit 255')))).toMatchObject({
      container: 'exited',
      exitCode: 255,
    });
  });

  it('is told again when it was there all the time and knows of no start', async () => {
    await open();
    const assignment = rig.assign(script('echo once'));
    expect(await rig.runtime.prepare(assignment, [], rig.signal)).toMatchObject({ ok: true });
    expect(await rig.runtime.start(assignment, () => false, rig.signal)).toMatchObject({ ok: true });
    expect(await rig.runtime.wait(assignment, rig.signal)).toMatchObject({
      container: 'exited',
      exitCode: 0,
    });
    expect(await rig.runtime.start(assignment, () => false, rig.signal)).toMatchObject({ ok: true });
    expect((await readLog(rig, assignment)).stdout).toBe('once\n');
  });

  it('forgot a container: its processes are ended all the same', async () => {
    await open();
    const key = await rig.launch(rig.assign(script('sleep 600 & sleep 600')));
    const { Id: id } = await rig.docker.getContainer(`cc-${key.task}-1`).inspect();
    await killStrays(id);
    expect(await rig.runtime.wait(key, rig.signal)).toMatchObject({ container: 'exited', exitCode: 137 });
    await killStrays(id);
  });
});

describe('an engine that lost a part of an image', () => {
  it('is to blame for the program that it had, and the job for the one that never was', async () => {
    await open();
    expect(await rig.run(rig.assign(script('exit 0')))).toMatchObject({ exitCode: 0 });
    const { GraphDriver } = await rig.docker.getImage(rig.image).inspect();
    const { UpperDir } = GraphDriver.Data as unknown as { readonly UpperDir: string };
    await rm(join(UpperDir, 'bin/sh'));
    const start = async (assignment: ReturnType<RuntimeRig['assign']>) => {
      expect(await rig.runtime.prepare(assignment, [], rig.signal)).toMatchObject({ ok: true });
      return await rig.start(assignment);
    };
    expect(await start(rig.assign(script('exit 0')))).toMatchObject({
      ok: false,
      refusal: { reason: 'agent_failed', message: expect.stringContaining('/bin/sh') },
    });
    // An output's folder over the program's own would hide it, too: with other mounts nothing is known.
    const outputs = [{ path: '/bin/x', maxBytes: 1 }];
    for (const other of [
      rig.assign({ ...script('exit 0'), outputs }),
      rig.assign({ entrypoint: ['/bin/no'] }),
    ])
      expect(await start(other)).toMatchObject({ ok: false, refusal: { reason: 'start_failed' } });
  });
});
