import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keeperExecutable } from './keeper-image.ts';
import { readUsage } from './scratch-usage.ts';

describe('the keeper', () => {
  it('exists for two architectures', () => {
    expect(keeperExecutable('x86_64')?.readUInt16LE(18)).toBe(62);
    expect(keeperExecutable('aarch64')?.readUInt16LE(18)).toBe(183);
    expect(keeperExecutable('mips')).toBeUndefined();
  });

  it.runIf(process.platform === 'linux' && process.arch === 'x64')(
    'measures file systems, and sleeps otherwise',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'keeper-'));
      const file = join(folder, 'keeper');
      await writeFile(file, keeperExecutable('x86_64') ?? '');
      await chmod(file, 0o755);
      const run = async (...args: string[]) => {
        const child = spawn(file, args);
        const parts: Buffer[] = [];
        child.stdout.on('data', (part: Buffer) => parts.push(part));
        const code = await new Promise((resolve) => child.once('close', resolve));
        return { code, bytes: Buffer.concat(parts) };
      };
      const measured = await run(folder, '/proc');
      expect(measured).toMatchObject({ code: 0 });
      expect(measured.bytes).toHaveLength(112);
      expect(readUsage(measured.bytes).usedBytes).toBeGreaterThan(0);
      expect((await run('/nonexistent')).code).toBe(1);
      const sleeper = spawn(file);
      const ended = new Promise((resolve) => sleeper.once('exit', (_code, signal) => resolve(signal)));
      sleeper.kill('SIGTERM');
      expect(await ended).toBe('SIGTERM');
      await rm(folder, { recursive: true });
    },
  );
});

describe('scratch usage', () => {
  const record = (...words: number[]) => {
    const bytes = Buffer.alloc(56);
    words.forEach((word, index) => bytes.writeBigUInt64LE(BigInt(word), index * 8));
    return bytes;
  };
  it('is full by bytes or by inodes', () => {
    expect(readUsage(record(0, 4096, 100, 50, 50, 100, 50))).toEqual({ usedBytes: 50 * 4096, full: false });
    expect(readUsage(record(0, 4096, 100, 2, 2, 100, 50)).full).toBe(true);
    expect(readUsage(record(0, 4096, 100, 50, 50, 100, 1)).full).toBe(true);
    expect(readUsage(Buffer.concat([record(0, 1, 10, 5, 5, 10, 5), record(0, 1, 10, 0, 0, 10, 5)]))).toEqual({
      usedBytes: 15,
      full: true,
    });
  });
});
