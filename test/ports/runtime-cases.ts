import assert from 'node:assert/strict';
import { type AttemptKey, EngineUnavailable, type Runtime } from '@capacloud/agent/core/ports';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { PortCase } from './port-case.ts';

/** A runtime whose engine has nothing of it yet. */
export interface RuntimeRig {
  readonly runtime: Runtime;
  /** The same runtime, whose engine cannot be reached. */
  readonly unreachable: Runtime;
  readonly signal: AbortSignal;
  /** A new attempt. `writes` says something and leaves an output, `fails` ends with another code than 0, `stays` runs until it is stopped. */
  readonly assign: (program: 'writes' | 'fails' | 'stays', change?: Partial<Assignment>) => Assignment;
  /** One that a registry has, and one that nobody has. */
  readonly images: { readonly present: string; readonly missing: string };
  /** A path for a new file or folder. */
  newPath(): string;
  bytesOf(path: string): Uint8Array;
}

const keyOf = ({ task, attempt }: Assignment): AttemptKey => ({ task, attempt });

async function prepare({ runtime, signal }: RuntimeRig, assignment: Assignment): Promise<void> {
  assert.deepEqual(await runtime.prepare(assignment, [], signal), { ok: true, value: undefined });
}

async function launch(rig: RuntimeRig, assignment: Assignment): Promise<AttemptKey> {
  await prepare(rig, assignment);
  assert.deepEqual(await rig.runtime.start(assignment, () => true, rig.signal), {
    ok: true,
    value: undefined,
  });
  return keyOf(assignment);
}

async function logOf({ runtime, signal }: RuntimeRig, key: AttemptKey, skipBytes: number): Promise<string> {
  let text = '';
  const sink = async ({ bytes }: { readonly bytes: Uint8Array }) => {
    text += Buffer.from(bytes).toString('utf8');
  };
  await runtime.followLogs(key, skipBytes, sink, signal);
  return text;
}

export const runtimeCases: readonly PortCase<RuntimeRig>[] = [
  {
    rule: 'shows an attempt as created, running, exited, and then not at all',
    check: async (rig) => {
      const { runtime, signal } = rig;
      assert.deepEqual(await runtime.observe(signal), []);
      const assignment = rig.assign('stays');
      await prepare(rig, assignment);
      const seen = async () => (await runtime.observe(signal)).map(({ key, container }) => [key, container]);
      assert.deepEqual(await seen(), [[keyOf(assignment), 'created']]);
      await launch(rig, assignment);
      assert.deepEqual(await seen(), [[keyOf(assignment), 'running']]);
      await runtime.stop(keyOf(assignment), 100, signal);
      assert.deepEqual(await seen(), [[keyOf(assignment), 'exited']]);
      await runtime.remove(keyOf(assignment), signal);
      assert.deepEqual(await seen(), []);
    },
  },
  {
    rule: 'starts a container once, however often it is asked',
    check: async (rig) => {
      const { runtime, signal } = rig;
      const assignment = rig.assign('stays');
      await prepare(rig, assignment);
      await prepare(rig, assignment);
      let asked = 0;
      const claim = () => {
        asked += 1;
        return true;
      };
      for (let n = 0; n < 2; n++) assert.equal((await runtime.start(assignment, claim, signal)).ok, true);
      assert.equal(asked, 1);
    },
  },
  {
    rule: 'starts without leave only where the engine shows that it did not before, and else says that the start is lost',
    check: async (rig) => {
      const { runtime, signal } = rig;
      const assignment = rig.assign('stays');
      await prepare(rig, assignment);
      const started = await runtime.start(assignment, () => false, signal);
      const [seen] = await runtime.observe(signal);
      if (started.ok) assert.equal(seen?.container, 'running');
      else assert.deepEqual([started.refusal.reason, seen?.container], ['engine_lost', 'created']);
    },
  },
  {
    rule: 'refuses to start what was never prepared',
    check: async ({ assign, runtime, signal }) => {
      assert.equal((await runtime.start(assign('writes'), () => true, signal)).ok, false);
    },
  },
  {
    rule: 'waits for the end, gives its code, and answers at once afterwards',
    check: async (rig) => {
      const { runtime, signal } = rig;
      const good = await launch(rig, rig.assign('writes'));
      const bad = await launch(rig, rig.assign('fails'));
      for (let n = 0; n < 2; n++) {
        const seen = await runtime.wait(good, signal);
        assert.deepEqual(
          [seen.key, seen.container, seen.exitCode, seen.oomKilled],
          [good, 'exited', 0, false],
        );
        const failed = await runtime.wait(bad, signal);
        assert.equal(failed.container, 'exited');
        assert.notEqual(failed.exitCode ?? 0, 0);
      }
      assert.equal((await runtime.wait({ ...good, attempt: 9 }, signal)).container, 'absent');
    },
  },
  {
    rule: 'hands over the log from any byte on',
    check: async (rig) => {
      const key = await launch(rig, rig.assign('writes'));
      const whole = await logOf(rig, key, 0);
      assert.ok(whole.length > 3);
      assert.equal(await logOf(rig, key, 3), whole.slice(3));
      assert.equal(await logOf(rig, key, Buffer.byteLength(whole)), '');
    },
  },
  {
    rule: 'collects outputs with their size and hash',
    check: async (rig) => {
      const { runtime, signal } = rig;
      const assignment = rig.assign('writes', { outputs: [{ path: '/out', maxBytes: 2 ** 20 }] });
      await runtime.wait(await launch(rig, assignment), signal);
      const collected = await runtime.collect(assignment, rig.newPath(), signal);
      assert.ok(collected.ok);
      const [file, ...others] = collected.value.files;
      assert.ok(file !== undefined && others.length === 0);
      const bytes = rig.bytesOf(file.localPath);
      assert.ok(file.path.startsWith('/out/') && bytes.length > 0);
      assert.deepEqual([file.sizeBytes, file.sha256], [bytes.length, sha256Hex(bytes)]);
    },
  },
  {
    rule: 'saves the checkpoint folder of an ended container as a file',
    check: async (rig) => {
      const { runtime, signal } = rig;
      const assignment = rig.assign('writes', {
        checkpoint: { path: '/saved', maxBytes: 2 ** 20, timeoutMs: 60_000 },
      });
      await runtime.wait(await launch(rig, assignment), signal);
      const saved = await runtime.save(assignment, rig.newPath(), signal);
      assert.ok(saved.ok && saved.value !== undefined);
      const bytes = rig.bytesOf(saved.value.localPath);
      assert.deepEqual([saved.value.sizeBytes, saved.value.sha256], [bytes.length, sha256Hex(bytes)]);
    },
  },
  {
    rule: 'stops, removes and waits again without harm',
    check: async (rig) => {
      const { runtime, signal } = rig;
      const key = await launch(rig, rig.assign('stays'));
      for (let n = 0; n < 2; n++) await runtime.stop(key, 100, signal);
      assert.notEqual((await runtime.wait(key, signal)).exitCode ?? 0, 0);
      for (let n = 0; n < 2; n++) await runtime.remove(key, signal);
      await runtime.stop(key, 100, signal);
      assert.equal((await runtime.wait(key, signal)).container, 'absent');
    },
  },
  {
    rule: 'ends a wait with the reason of its signal, and leaves the container alone',
    check: async (rig) => {
      const key = await launch(rig, rig.assign('stays'));
      const ended = new AbortController();
      const reason = new Error('enough');
      const waiting = rig.runtime.wait(key, ended.signal);
      ended.abort(reason);
      await assert.rejects(waiting, reason);
      await assert.rejects(rig.runtime.wait(key, ended.signal), reason);
      assert.equal((await rig.runtime.observe(rig.signal))[0]?.container, 'running');
    },
  },
  {
    rule: 'gives one id of an image to all who pull it, and says where there is none',
    check: async ({ assign, images, runtime, signal }) => {
      const pull = async (image: string) => {
        const pulled = await runtime.pull(assign('writes', { image }), () => {}, signal);
        return pulled.ok ? pulled.value.image : pulled.refusal.reason;
      };
      const [one, other] = await Promise.all([pull(images.present), pull(images.present)]);
      assert.match(one, /^sha256:/);
      assert.equal(one, other);
      assert.equal(await pull(images.present), one);
      assert.equal(await pull(images.missing), 'image_not_found');
    },
  },
  {
    rule: 'says that the engine cannot be reached, and not that there is nothing',
    check: async ({ assign, signal, unreachable }) => {
      await assert.rejects(unreachable.ping(signal), EngineUnavailable);
      await assert.rejects(unreachable.observe(signal), EngineUnavailable);
      await assert.rejects(unreachable.prepare(assign('writes'), [], signal), EngineUnavailable);
    },
  },
];
