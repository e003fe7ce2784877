import { randomBytes } from 'node:crypto';
import { jobIdFrom, taskIdOf } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { Actor } from '../sim/kernel/actor.ts';
import { Disk, setDisk } from '../sim/kernel/disk.ts';
import { Kernel, setKernel } from '../sim/kernel/kernel.ts';
import { Prng } from '../sim/kernel/prng.ts';
import { SimulatedEngine } from '../sim/world/engine.ts';
import { SimulatedRuntime } from '../sim/world/runtime.ts';
import { describeRuntime } from './describe-port.ts';

const witness = { container() {}, ran() {}, ruined() {} };
const programs = { writes: { RUN_MS: '10' }, fails: { FAILS: '1' }, stays: { RUN_MS: '1e9' } };

describeRuntime('the runtime of the simulator', async ({ check }) => {
  const kernel = new Kernel(1, 0);
  const files = new Disk();
  setKernel(kernel);
  setDisk(files);
  try {
    const actor = new Actor('machine', new Prng(1, 'machine'), 0);
    const runtimeOf = (engine: SimulatedEngine) => new SimulatedRuntime(engine, actor, 'amd64');
    const gone = new SimulatedEngine(witness, () => 0);
    gone.setMood('gone');
    let paths = 0;
    let isOver = false;
    const checking = Promise.resolve(
      check({
        runtime: runtimeOf(new SimulatedEngine(witness, () => 0)),
        unreachable: runtimeOf(gone),
        signal: new AbortController().signal,
        assign: (program, change) => ({ ...newAssignment(programs[program]), ...change }),
        images: { present: 'image', missing: 'missing' },
        newPath: () => `/machine/${(paths += 1)}`,
        bytesOf: (path) => {
          const { bytes, size } = files.file(path);
          return bytes.subarray(0, size);
        },
      }),
    ).finally(() => {
      isOver = true;
    });
    await Promise.all([checking, kernel.run(() => isOver)]);
  } finally {
    setKernel(undefined);
    setDisk(undefined);
    files.close();
  }
});

function newAssignment(env: Assignment['env']): Assignment {
  return {
    task: taskIdOf(jobIdFrom(randomBytes(20)), 0),
    attempt: 1,
    nonce: '0'.repeat(32),
    image: 'image',
    env,
    resources: { cpuMilli: 1000, memoryBytes: 2 ** 30, diskBytes: 0, shmBytes: 0 },
    devices: [],
    inputs: [],
    outputs: [],
    taskIndex: 0,
    taskCount: 1,
    pullTimeoutMs: 60_000,
    startTimeoutMs: 60_000,
    runTimeoutMs: 60_000,
    uploadTimeoutMs: 60_000,
    stopGraceMs: 2000,
  };
}
