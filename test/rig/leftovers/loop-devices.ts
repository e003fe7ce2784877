import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { hasProgram, programPath } from '../programs/programs.ts';

const run = promisify(execFile);

/** Frees loop devices on files below a folder: an agent that is killed at the wrong moment, and for good, leaves one. */
export async function freeLoopDevices(folder: string): Promise<void> {
  if (!hasProgram('losetup')) return;
  for (const name of await readdir('/sys/block').catch(() => [])) {
    if (!/^loop\d+$/.test(name)) continue;
    const file = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '');
    if (file.startsWith(`${folder}/`))
      await run(programPath('losetup'), ['--detach', `/dev/${name}`]).catch(() => undefined);
  }
}
