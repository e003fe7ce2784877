import { openDatabase } from '@capacloud/agent/journal/schema';
import { SqliteJournal } from '@capacloud/agent/journal/sqlite-journal';
import { journalCases } from '../../ports/journal-cases.ts';
import { Actor } from '../kernel/actor.ts';
import { Disk, setDisk } from '../kernel/disk.ts';
import { Kernel, setKernel } from '../kernel/kernel.ts';
import { Prng } from '../kernel/prng.ts';
import { LyingJournal } from '../world/lying-journal.ts';
import { Watch } from '../world/watch.ts';

const machine = 'machine';

/** Runs one case of the journal's acceptance suite on a simulated disk; undefined, or how the rule is broken. */
export async function checkJournal(rule: string, isLying: boolean): Promise<string | undefined> {
  const portCase = journalCases.find((each) => each.rule === rule);
  if (portCase === undefined) return `there is no rule "${rule}"`;
  const kernel = new Kernel(1, 0);
  const files = new Disk();
  setKernel(kernel);
  setDisk(files);
  files.makeFolder(`/${machine}`);
  try {
    await portCase.check({
      open(coordinator, firstId = 0) {
        kernel.current.end('restart');
        kernel.current = new Actor(machine, new Prng(1, machine), 0);
        const kept = new SqliteJournal(openDatabase(`/${machine}/journal.db`), coordinator, firstId);
        return isLying ? new LyingJournal(kept, 0, new Watch(() => {})) : kept;
      },
      setDiskFull: (isFull) => files.setFull(machine, isFull),
    });
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  } finally {
    setKernel(undefined);
    setDisk(undefined);
    files.close();
  }
}
