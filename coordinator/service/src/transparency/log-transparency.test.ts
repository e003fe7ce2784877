import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeHex, encodeUtf8 } from '@capacloud/protocol/log/bytes';
import { openCheckpoint } from '@capacloud/protocol/log/checkpoint';
import { leafHash, verifyConsistency, verifyInclusion } from '@capacloud/protocol/log/merkle';
import { MerkleFrontier } from '@capacloud/protocol/log/merkle-frontier';
import type { SubtreeReader } from '@capacloud/protocol/log/merkle-proofs';
import { parseVerifierKey } from '@capacloud/protocol/log/signed-note';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HighWaterFile, highWaterPath, readHighWater } from './high-water.ts';
import { openLogKey, verifyEd25519 } from './log-key.ts';
import {
  createTransparency,
  faultOfHighWater,
  faultOfLatestCheckpoint,
  trustedHighWater,
} from './log-transparency.ts';

const origin = 'log.test';
const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'capacloud-key-'));
});
afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

/** A log of so many entries in memory; the store's own reader is tested with the store. */
function logOf(size: number) {
  const entries = Array.from({ length: size }, (_, n) => `{"n":${n}}`);
  const nodes = new Map<string, Uint8Array>();
  const frontier = new MerkleFrontier(sha256);
  for (const entry of entries)
    frontier.append(leafHash(encodeUtf8(entry), sha256), (level, index, node) =>
      nodes.set(`${level}/${index}`, node),
    );
  const readSubtree: SubtreeReader = (level, index) => {
    const node = nodes.get(`${level}/${index}`);
    if (node === undefined) throw new Error('no such node');
    return node;
  };
  const log = {
    size: () => size,
    read: (from: number, limit: number) =>
      Promise.resolve(entries.slice(from, from + limit).map((entry, n) => ({ index: from + n, entry }))),
  };
  return { log, readSubtree };
}

class Notes {
  saved: { size: number; note: string }[] = [];
  latest = () => this.saved.at(-1);
  async save(size: number, note: string): Promise<void> {
    this.saved.push({ size, note });
  }
}

function hex(text: string): Uint8Array {
  const bytes = decodeHex(text);
  if (bytes === undefined) throw new Error('not hex');
  return bytes;
}

function opened(note: string, vkey: string) {
  const key = parseVerifierKey(vkey);
  if (key === undefined) throw new Error('not a verifier key');
  const result = openCheckpoint(note, origin, [key], verifyEd25519);
  if (!result.ok) throw new Error(result.fault);
  return result.checkpoint;
}

describe('proofs', () => {
  const parts = (size: number, checkpoints = new Notes()) => ({
    ...logOf(size),
    origin,
    signer: openLogKey(dataDir, origin),
    checkpoints,
    highWater: new HighWaterFile(dataDir),
    now: () => 1,
  });

  it('of every entry verify against the signed checkpoint', async () => {
    const transparency = createTransparency(parts(37));
    const checkpoint = opened(await transparency.checkpoint(), transparency.vkey);
    expect(checkpoint.size).toBe(37);
    for (let index = 0; index < 37; index++) {
      const proof = await transparency.inclusion(index, 37);
      if (!proof.ok) throw new Error(proof.refusal.message);
      const { entries } = await transparency.entries(index, 1);
      const claim = {
        leafHash: leafHash(encodeUtf8(entries[0] ?? '')),
        index,
        size: 37,
        root: checkpoint.root,
        proof: proof.value.path.map(hex),
      };
      expect(verifyInclusion(claim)).toBe(true);
      expect(verifyInclusion({ ...claim, leafHash: leafHash(encodeUtf8('{"n":-1}')) })).toBe(false);
    }
  });

  it('of growth verify between checkpoints', async () => {
    const large = createTransparency(parts(600));
    const newer = opened(await large.checkpoint(), large.vkey);
    for (const size of [1, 255, 256, 599]) {
      const small = createTransparency(parts(size));
      const older = opened(await small.checkpoint(), small.vkey);
      const proof = await large.consistency(size, 600);
      if (!proof.ok) throw new Error(proof.refusal.message);
      const claim = { oldSize: size, oldRoot: older.root, newSize: 600, newRoot: newer.root };
      expect(verifyConsistency({ ...claim, proof: proof.value.path.map(hex) })).toBe(true);
    }
  });

  it('of what the log does not hold are refused', async () => {
    const transparency = createTransparency(parts(5));
    for (const refused of [
      await transparency.inclusion(5, 5),
      await transparency.inclusion(0, 6),
      await transparency.consistency(4, 3),
      await transparency.consistency(1, 6),
    ])
      expect(refused).toMatchObject({ ok: false, refusal: { code: 'request.invalid' } });
    expect(await transparency.entries(9, 5)).toEqual({ entries: [], size: 5 });
  });

  it('signs a size once, and keeps what it gave out', async () => {
    const notes = new Notes();
    const transparency = createTransparency(parts(5, notes));
    const first = await transparency.checkpoint();
    expect(await transparency.checkpoint()).toBe(first);
    expect(notes.saved).toEqual([{ size: 5, note: first }]);
  });
});

describe('the newest checkpoint', () => {
  const signed = async (size: number, name = origin) => {
    const checkpoints = new Notes();
    const signer = openLogKey(dataDir, name);
    await createTransparency({
      ...logOf(size),
      origin: name,
      signer,
      checkpoints,
      highWater: new HighWaterFile(dataDir),
      now: () => 1,
    }).checkpoint();
    return checkpoints;
  };
  const fault = (
    checkpoints: Notes,
    size: number,
    changes: { readSubtree?: SubtreeReader; origin?: string } = {},
  ) =>
    faultOfLatestCheckpoint({
      ...logOf(size),
      origin,
      signer: openLogKey(dataDir, origin),
      checkpoints,
      size,
      ...changes,
    });

  it('holds for the log that it came from and for a longer one', async () => {
    expect(fault(new Notes(), 3)).toBeUndefined();
    expect(fault(await signed(9), 9)).toBeUndefined();
    expect(fault(await signed(9), 40)).toBeUndefined();
  });

  it('finds a log that was cut, rewritten, or is of another coordinator', async () => {
    expect(fault(await signed(9), 8)).toContain('8 entries');
    const other = () => sha256(encodeUtf8('other'));
    expect(fault(await signed(9), 9, { readSubtree: other })).toContain('not those');
    expect(fault(await signed(9, 'other.test'), 9)).toContain('cannot be trusted');
  });
});

describe('the high-water mark', () => {
  const heads = (size: number) => ({ ...logOf(size), origin, signer: openLogKey(dataDir, origin), size });
  const notes = () => readHighWater(dataDir);
  const raise = async (...sizes: readonly number[]) => {
    const highWater = new HighWaterFile(dataDir);
    for (const size of sizes)
      await createTransparency({
        ...heads(size),
        checkpoints: new Notes(),
        highWater,
        now: () => 1,
      }).raiseHighWater();
  };
  /** Overwrites a part of one of the two slots. */
  const harm = (slot: number) => {
    const bytes = readFileSync(highWaterPath(dataDir));
    bytes.fill(0x20, slot * 4096 + 20, slot * 4096 + 80);
    writeFileSync(highWaterPath(dataDir), bytes);
  };

  it('is older than the log that it came from, and notices a shorter one and another one', async () => {
    expect(faultOfHighWater(heads(3), notes())).toBeUndefined();
    await raise(9);
    expect(faultOfHighWater(heads(9), notes())).toBeUndefined();
    expect(faultOfHighWater(heads(40), notes())).toBeUndefined();
    expect(faultOfHighWater(heads(8), notes())).toContain('8 entries');
    const other = { ...heads(9), readSubtree: () => sha256(encodeUtf8('other')) };
    expect(faultOfHighWater(other, notes())).toContain('not those of the high-water mark');
    expect(trustedHighWater(heads(0), notes())).toBe(9);
  });

  it('never falls, and goes on over a restart', async () => {
    await raise(9, 5, 7);
    expect(trustedHighWater(heads(0), notes())).toBe(9);
    await raise(12);
    expect(notes()).toHaveLength(2);
    expect(trustedHighWater(heads(0), notes())).toBe(12);
    await raise(13);
    expect(notes().map((note) => note.split('\n')[1])).toEqual(['13', '12']);
  });

  it('outlives the loss of the note that was being written', async () => {
    await raise(9, 12);
    harm(1);
    expect(faultOfHighWater(heads(10), notes())).toBeUndefined();
    expect(faultOfHighWater(heads(8), notes())).toContain('mark of 9');
    harm(0);
    expect(faultOfHighWater(heads(10), notes())).toContain('cannot be trusted');
    expect(trustedHighWater(heads(0), notes())).toBe(0);
  });

  it('overwrites what a crash left half written, and not the note that is whole', async () => {
    await new HighWaterFile(dataDir).raise(5, 'whole\n5\n');
    const slots = Buffer.concat([readFileSync(highWaterPath(dataDir)), Buffer.alloc(4096)]);
    slots.write('half\n5\ufffd', 4096);
    writeFileSync(highWaterPath(dataDir), slots);
    await new HighWaterFile(dataDir).raise(6, 'new\n6\n');
    expect(readHighWater(dataDir)).toEqual(['new\n6\n', 'whole\n5\n']);
  });

  it('is durable before a checkpoint is given out', async () => {
    const highWater = { raise: () => Promise.reject(new Error('the disk fails')) };
    const checkpoints = new Notes();
    const transparency = createTransparency({ ...heads(5), checkpoints, highWater, now: () => 1 });
    await expect(transparency.checkpoint()).rejects.toThrow('the disk fails');
    expect(checkpoints.saved).toEqual([]);
  });
});

it('keeps the log key for the owner alone, and finds it again', () => {
  const first = openLogKey(dataDir, origin);
  expect(statSync(join(dataDir, 'log.key')).mode & 0o777).toBe(0o600);
  expect(openLogKey(dataDir, origin).publicKey).toEqual(first.publicKey);
  const message = encodeUtf8('text');
  expect(verifyEd25519(first.publicKey, message, first.sign(message))).toBe(true);
  expect(verifyEd25519(first.publicKey.subarray(1), message, first.sign(message))).toBe(false);
});
