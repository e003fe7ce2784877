import { execFile } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { programPath, type SystemProgram } from '@capacloud/rig/programs/programs';

const runFile = promisify(execFile);
const run = (program: SystemProgram, args: readonly string[]) => runFile(programPath(program), args);
const blockBytes = 1024 ** 2;

/** A file system of bounded size on a loop device, which can be filled to the last byte and emptied again. */
export class SmallDisk {
  readonly mountPoint: string;
  readonly #filler: string;

  private constructor(mountPoint: string) {
    this.mountPoint = mountPoint;
    this.#filler = join(mountPoint, 'filler');
  }

  static async mount(mountPoint: string, sizeMiB: number): Promise<SmallDisk> {
    await mkdir(mountPoint, { recursive: true });
    const image = `${mountPoint}.img`;
    const file = await open(image, 'w');
    await file.truncate(sizeMiB * 1024 ** 2);
    await file.close();
    // No blocks kept back for root, who is the one to run out of them here.
    await run('mkfs.ext4', ['-q', '-m', '0', image]);
    await run('mount', ['-o', 'loop', image, mountPoint]);
    return new SmallDisk(mountPoint);
  }

  /** Writes until nothing fits any more, and again into what was freed meanwhile. */
  async fill(): Promise<void> {
    const file = await open(this.#filler, 'a');
    try {
      for (let size = blockBytes; size >= 1; size = Math.floor(size / 8)) {
        const block = Buffer.alloc(size, 1);
        while (await wrote(file.write(block))) await file.datasync().catch(() => undefined);
      }
    } finally {
      await file.close();
    }
  }

  async empty(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  /** Keeps the image, for whoever wants to look into it. */
  async close(): Promise<void> {
    await run('umount', [this.mountPoint]).catch(() => run('umount', ['--lazy', this.mountPoint]));
  }
}

async function wrote(writing: Promise<unknown>): Promise<boolean> {
  try {
    await writing;
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
    throw error;
  }
}
