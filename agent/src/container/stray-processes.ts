import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const tries = 20;
const waitMs = 100;

/**
 * Kills what runs in the control group of a container that the engine believes to be down: one that is killed during a
 * start forgets the container that it started, which would run on without an end and hold its devices. Throws when it
 * cannot be ended. Sees only what the agent's /proc shows; where that is another's, nothing is found.
 */
export async function killStrays(containerId: string): Promise<void> {
  for (let count = 0; count < tries; count++) {
    const strays = await processesOf(containerId);
    if (strays.length === 0) return;
    for (const pid of strays) kill(pid);
    await delay(waitMs);
  }
  throw new Error('processes of a container that the engine forgot cannot be ended');
}

async function processesOf(containerId: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter(Number.isSafeInteger);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [groups, stat] = await Promise.all([readText(pid, 'cgroup'), readText(pid, 'stat')]);
      return groups.includes(containerId) && !isDead(stat) ? pid : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

/** proc(5): the state follows the name, which is in parentheses and may hold anything. */
function isDead(stat: string): boolean {
  return /^ [ZXx]/.test(stat.slice(stat.lastIndexOf(')') + 1));
}

async function readText(pid: number, file: string): Promise<string> {
  return await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone meanwhile, or another's: the next look tells.
  }
}
