import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { askStatus } from '@capacloud/agent/host/status-socket';
import { hasPart } from '@capacloud/rig/engine/real-parts';
import { ManagedProcess, waitUntil } from '@capacloud/rig/programs/managed-process';
import { programPath, thisNode } from '@capacloud/rig/programs/programs';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import { afterEach, expect, it } from 'vitest';

const run = promisify(execFile);
const isRoot = hasPart('root', process.getuid?.() === 0);
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A disk of 4 MiB in memory. */
async function mountDisk(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cc-full-state-'));
  await run(programPath('mount'), ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir]);
  cleanups.push(async () => {
    await run(programPath('umount'), ['--lazy', dir]);
    await rm(dir, { recursive: true });
  });
  return dir;
}

async function fill(dir: string): Promise<void> {
  const file = await open(join(dir, 'filler'), 'a');
  const block = Buffer.alloc(4096, 1);
  while ((await file.write(block).catch(() => undefined)) !== undefined);
  await file.close();
}

interface Status {
  readonly accepting: boolean;
  readonly checks: readonly { readonly id: string; readonly ok: boolean }[] | 'pending';
}

it.skipIf(!isRoot)(
  'an agent waits where its disk is full, at the start and later, and goes on by itself',
  async () => {
    const disk = await mountDisk();
    const home = await mkdtemp(join(tmpdir(), 'cc-full-home-'));
    cleanups.push(() => rm(home, { recursive: true }));
    const stateDir = join(disk, 'state');
    const logFile = join(disk, 'agent.log');
    const socket = join(home, 'agent.sock');
    await writeFile(join(home, 'key'), `0x${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    await mkdir(stateDir);
    const agent = new ManagedProcess({
      name: 'agent',
      command: thisNode,
      args: ['--conditions=@capacloud/source', join(repositoryRoot, 'agent', 'src', 'main.ts'), 'run'],
      env: {
        CAPACLOUD_AGENT_COORDINATOR: 'ws://127.0.0.1:1/',
        CAPACLOUD_AGENT_STATE_DIR: stateDir,
        CAPACLOUD_AGENT_STATUS_SOCKET: socket,
        CAPACLOUD_AGENT_KEY_FILE: join(home, 'key'),
        CAPACLOUD_AGENT_DOCKER_SOCKET: join(home, 'no-engine.sock'),
        CAPACLOUD_AGENT_SCRATCH: 'memory',
      },
      // What it says goes to the disk that is full.
      logFile,
    });
    cleanups.push(() => agent.kill());
    const status = () =>
      waitUntil(
        'the checks of the agent',
        async () => {
          const answer = (await askStatus(socket).catch(() => undefined)) as Status | undefined;
          return answer?.checks === 'pending' ? undefined : answer;
        },
        { timeoutMs: 20_000, process: agent },
      );
    const says = (text: string) => async () => (await readFile(logFile, 'utf8')).includes(text);

    await writeFile(logFile, 'x'.repeat(2000));
    await fill(disk);
    agent.start();
    await waitUntil('the agent to wait', says('the agent waits'), { timeoutMs: 20_000, process: agent });
    await rm(join(disk, 'filler'));
    const { accepting, checks } = await status();
    expect(accepting).toBe(false);
    expect(checks).toContainEqual(expect.objectContaining({ id: 'disk', ok: false }));

    await fill(disk);
    await status();
    await agent.kill();
    await rm(socket);
    await fill(disk);
    agent.start();
    await status();
    expect(await agent.stop()).toBe(0);
  },
);
