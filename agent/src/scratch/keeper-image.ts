import { createHash } from 'node:crypto';
import { pack } from 'tar-stream';
import type { Engine } from '../engine/engine.ts';

export const keeperImage = 'capacloud/keeper:1';
export const keeperProgram = '/keeper';
/** What the keeper writes for each path: f_type, f_bsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree. */
export const statfsWords = 7;

/**
 * The keeper: without arguments it sleeps for ever; with paths it writes the first 56 bytes of statfs(2) of each
 * to standard output, 1 on failure. Assembled by hand so that no image has to be fetched and nothing but these
 * bytes runs beside a task.
 *
 *   if (argc > 1) { for each path: statfs(path, buffer) || exit(1); write(1, buffer, 56); exit(0); }
 *   for (;;) pause();   // ppoll(NULL, 0, NULL, NULL) on arm64, which has no pause(2)
 */
const programs: Readonly<Record<string, MachineProgram>> = {
  x86_64: {
    machine: 62,
    code:
      '48833c24017e4d4c8d6424104881ec00010000498b3c244885ff74284889e6b8890000000f0585c0751eb801000000bf01000000' +
      '4889e6ba380000000f054983c408ebcf31ffeb05bf01000000b83c0000000f05b8220000000f05ebf7',
  },
  aarch64: {
    machine: 183,
    code:
      'e00340f91f0400f14d020054f3430091ff0304d1608640f8800100b4e1030091680580d2010000d4e00000b5200080d2e1030091' +
      '020780d2080880d2010000d4f5ffff17200080d2a80b80d2010000d4000080d2010080d2020080d2030080d2040080d2280980d2' +
      '010000d4f9ffff17',
  },
};

const loadAddress = 0x40_0000n;
const headerBytes = 64 + 56;

export function keeperExecutable(architecture: string): Buffer | undefined {
  const program = programs[architecture];
  return program === undefined ? undefined : elfExecutable(program);
}

export interface MachineProgram {
  /** The number of the processor in ELF. */
  readonly machine: number;
  /** Instructions in hexadecimal digits; they run from the first on. */
  readonly code: string;
}

/** A static ELF executable of one read-only, executable segment (System V ABI, figures 4-3 and 5-1). */
export function elfExecutable({ machine, code: digits }: MachineProgram): Buffer {
  const code = Buffer.from(digits, 'hex');
  const header = Buffer.alloc(headerBytes);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(loadAddress + BigInt(headerBytes), 24); // entry
  header.writeBigUInt64LE(64n, 32); // program headers
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt16LE(64, 58);
  header.writeUInt32LE(1, 64); // PT_LOAD
  header.writeUInt32LE(5, 68); // read, execute
  header.writeBigUInt64LE(loadAddress, 80);
  header.writeBigUInt64LE(loadAddress, 88);
  header.writeBigUInt64LE(BigInt(headerBytes + code.length), 96);
  header.writeBigUInt64LE(BigInt(headerBytes + code.length), 104);
  header.writeBigUInt64LE(0x1_0000n, 112); // the largest page of either architecture
  return Buffer.concat([header, code]);
}

async function keeperArchive(executable: Buffer): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: keeperProgram.slice(1), mode: 0o555, mtime: new Date(0) }, executable);
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

/**
 * The id of the keeper image, made on the engine when it is missing. A tag proves nothing, because a job may have
 * pulled an image of that name; so the content of its only layer is compared.
 */
export async function ensureKeeperImage(engine: Engine, signal: AbortSignal): Promise<string> {
  const { Architecture: architecture } = await engine.info(signal);
  const executable = keeperExecutable(architecture);
  if (executable === undefined) throw new Error(`no keeper for the architecture ${architecture}`);
  const archive = await keeperArchive(executable);
  const layer = `sha256:${createHash('sha256').update(archive).digest('hex')}`;
  const present = await inspectKeeper(engine, layer, signal);
  if (present !== undefined) return present;
  await engine.importImage(archive, { repo: 'capacloud/keeper', tag: '1' }, signal);
  const made = await inspectKeeper(engine, layer, signal);
  if (made === undefined) throw new Error('the engine did not take the keeper image');
  return made;
}

async function inspectKeeper(
  engine: Engine,
  layer: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const image = await engine.inspectImage(keeperImage, signal);
  const layers = image?.RootFS.Layers ?? [];
  return layers.length === 1 && layers[0] === layer ? image?.Id : undefined;
}
