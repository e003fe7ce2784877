import { createDockerRuntime } from '@capacloud/agent/runtime/docker-runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { OwnEngine } from './own-engine.ts';
import { openRuntimeRig, type RuntimeRig, readLog, script } from './runtime-rig.ts';

let engine: OwnEngine;
let rig: RuntimeRig;
async function open(...flags: string[]): Promise<void> {
  engine = await OwnEngine.start(...flags);
  rig = await openRuntimeRig({ socketPath: engine.socketPath });
}
afterEach(async () => {
  await rig.close();
  await engine.close();
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
