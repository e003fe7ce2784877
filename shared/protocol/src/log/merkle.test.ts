import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeHex, encodeHex, encodeUtf8 } from './bytes.ts';
import type { Hash } from './hash.ts';
import { emptyRoot, leafHash, nodeHash, verifyConsistency, verifyInclusion } from './merkle.ts';
import { MerkleFrontier } from './merkle-frontier.ts';
import { consistencyProof, inclusionProof, rootAt, type SubtreeReader } from './merkle-proofs.ts';

const native: Hash = (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest());
const none = new Uint8Array(0);

/** RFC 6962 section 2.1, word for word: the reference. */
function slowRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return emptyRoot();
  if (leaves.length === 1) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(slowRoot(leaves.slice(0, split)), slowRoot(leaves.slice(split)));
}

/** PATH(m, D[n]) of section 2.1.1. */
function slowPath(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return index < split
    ? [...slowPath(index, leaves.slice(0, split)), slowRoot(leaves.slice(split))]
    : [...slowPath(index - split, leaves.slice(split)), slowRoot(leaves.slice(0, split))];
}

/** SUBPROOF(m, D[n], b) of section 2.1.2. */
function slowSubproof(size: number, leaves: readonly Uint8Array[], known: boolean): Uint8Array[] {
  if (size === leaves.length) return known ? [] : [slowRoot(leaves)];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return size <= split
    ? [...slowSubproof(size, leaves.slice(0, split), known), slowRoot(leaves.slice(split))]
    : [...slowSubproof(size - split, leaves.slice(split), false), slowRoot(leaves.slice(0, split))];
}

function leavesOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => leafHash(encodeUtf8(`leaf ${i}`)));
}

function store(leaves: readonly Uint8Array[]): { frontier: MerkleFrontier; read: SubtreeReader } {
  const frontier = new MerkleFrontier();
  const stored = new Map<string, Uint8Array>();
  for (const leaf of leaves)
    frontier.append(leaf, (level, index, hash) => {
      expect(stored.has(`${level}/${index}`)).toBe(false);
      stored.set(`${level}/${index}`, hash);
    });
  return {
    frontier,
    read: (level, index) => {
      const hash = stored.get(`${level}/${index}`);
      if (hash === undefined) throw new Error(`no hash ${level}/${index}`);
      return hash;
    },
  };
}

function flip(hash: Uint8Array, at = 0): Uint8Array {
  const changed = Uint8Array.from(hash);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

const maxLeaves = 200;
const all = leavesOf(maxLeaves);
const { read } = store(all);
const roots = Array.from({ length: maxLeaves + 1 }, (_, size) => slowRoot(all.slice(0, size)));
const rootOf = (size: number): Uint8Array => roots[size] ?? none;
const leafOf = (index: number): Uint8Array => all[index] ?? none;

describe('Certificate Transparency test vectors', () => {
  const inputs = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ];
  const expected = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];

  it.each([undefined, native])('roots of 0 to 8 leaves', (hash) => {
    const frontier = new MerkleFrontier(hash);
    expect(encodeHex(frontier.root())).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    const seen = inputs.map((input) => {
      frontier.append(leafHash(decodeHex(input) ?? none, hash));
      return encodeHex(frontier.root());
    });
    expect(seen).toEqual(expected);
  });

  it('the published path of leaf 5 in 8', () => {
    const { read: readVector } = store(inputs.map((input) => leafHash(decodeHex(input) ?? none)));
    expect(inclusionProof(5, 8, readVector).map(encodeHex)).toEqual([
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
  });
});

describe('against the reference for every size to 200', () => {
  it('roots, and a restored frontier goes on as the first', () => {
    let frontier = new MerkleFrontier();
    for (let size = 0; size <= maxLeaves; size++) {
      expect(frontier.size).toBe(size);
      expect(frontier.root()).toEqual(rootOf(size));
      expect(rootAt(size, read)).toEqual(rootOf(size));
      const state = JSON.parse(JSON.stringify(frontier.serialize())) as ReturnType<typeof frontier.serialize>;
      expect(state.edge.length).toBeLessThanOrEqual(8);
      const restored = MerkleFrontier.restore(state);
      expect(restored).toBeDefined();
      frontier = restored ?? frontier;
      if (size < maxLeaves) frontier.append(leafOf(size));
    }
  });

  it('inclusion: proofs are those of the RFC, and verify', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: maxLeaves }), fc.nat({ max: maxLeaves - 1 }), (size, pick) => {
        const index = pick % size;
        const proof = inclusionProof(index, size, read);
        expect(proof).toEqual(slowPath(index, all.slice(0, size)));
        const claim = { leafHash: leafOf(index), index, size, root: rootOf(size), proof };
        expect(verifyInclusion(claim)).toBe(true);
        expect(verifyInclusion(claim, native)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('consistency: proofs are those of the RFC, and verify, for all pairs of sizes to 40 and many more', () => {
    const check = (oldSize: number, newSize: number): void => {
      const proof = consistencyProof(oldSize, newSize, read, native);
      if (oldSize > 0) expect(proof).toEqual(slowSubproof(oldSize, all.slice(0, newSize), true));
      const claim = { oldSize, newSize, oldRoot: rootOf(oldSize), newRoot: rootOf(newSize), proof };
      expect(verifyConsistency(claim, native)).toBe(true);
    };
    for (let newSize = 0; newSize <= 40; newSize++)
      for (let oldSize = 0; oldSize <= newSize; oldSize++) check(oldSize, newSize);
    const size = fc.nat({ max: maxLeaves });
    fc.assert(fc.property(size, size, (a, b) => check(Math.min(a, b), Math.max(a, b))));
  });
});

describe('tampering', () => {
  it('no changed part of an inclusion claim verifies', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: maxLeaves }), fc.nat(), fc.nat(), (size, pick, where) => {
        const index = pick % size;
        const proof = inclusionProof(index, size, read, native);
        const claim = { leafHash: leafOf(index), index, size, root: rootOf(size), proof };
        const at = where % proof.length;
        const changed = [
          { ...claim, leafHash: flip(claim.leafHash, where % 32) },
          { ...claim, root: flip(claim.root, where % 32) },
          { ...claim, index: (index + 1 + (where % (size - 1))) % size },
          { ...claim, index: size },
          { ...claim, index: -1 },
          { ...claim, index: index + 0.5 },
          { ...claim, size: Number.NaN },
          { ...claim, proof: proof.with(at, flip(proof[at] ?? none)) },
          { ...claim, proof: proof.with(at, (proof[at] ?? none).slice(1)) },
          { ...claim, proof: proof.slice(1) },
          { ...claim, proof: proof.slice(0, -1) },
          { ...claim, proof: [...proof, rootOf(size)] },
        ];
        for (const bad of changed) expect(verifyInclusion(bad, native)).toBe(false);
      }),
    );
  });

  it('no changed part of a consistency claim verifies', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: maxLeaves }), fc.nat(), fc.nat(), (newSize, pick, where) => {
        const oldSize = 1 + (pick % (newSize - 1));
        const proof = consistencyProof(oldSize, newSize, read, native);
        const claim = { oldSize, newSize, oldRoot: rootOf(oldSize), newRoot: rootOf(newSize), proof };
        const at = where % proof.length;
        const changed = [
          { ...claim, oldRoot: flip(claim.oldRoot, where % 32) },
          { ...claim, newRoot: flip(claim.newRoot, where % 32) },
          { ...claim, oldSize: newSize + 1 },
          { ...claim, oldSize: newSize },
          { ...claim, oldSize: 0 },
          { ...claim, oldSize: oldSize - 0.5 },
          { ...claim, proof: proof.with(at, flip(proof[at] ?? none)) },
          { ...claim, proof: proof.slice(1) },
          { ...claim, proof: proof.slice(0, -1) },
          { ...claim, proof: [] },
          { ...claim, proof: [...proof, rootOf(newSize)] },
        ];
        for (const bad of changed) expect(verifyConsistency(bad, native)).toBe(false);
      }),
    );
    const same = { oldSize: 3, newSize: 3, oldRoot: rootOf(3), newRoot: rootOf(3), proof: [rootOf(3)] };
    expect(verifyConsistency(same)).toBe(false);
    expect(verifyConsistency({ ...same, newRoot: rootOf(4), proof: [] })).toBe(false);
    expect(verifyConsistency({ ...same, oldSize: 0, proof: [] })).toBe(false);
  });

  it('a leaf is no node: the two halves of a tree do not pass for a leaf', () => {
    const forged = new Uint8Array([...leafOf(0), ...leafOf(1)]);
    expect(leafHash(forged)).not.toEqual(rootOf(2));
  });

  it.each([
    { size: 1, edge: [] },
    { size: 0, edge: ['00'.repeat(32)] },
    { size: 3, edge: ['00'.repeat(32)] },
    { size: 1, edge: ['00'.repeat(31)] },
    { size: 1, edge: ['zz'.repeat(32)] },
    { size: -1, edge: [] },
    { size: 1.5, edge: ['00'.repeat(32)] },
  ])('a frontier is not restored from $size with $edge.length hashes that do not fit', (state) => {
    expect(MerkleFrontier.restore(state)).toBeUndefined();
  });

  it('proofs of what the tree does not hold are a programmer’s error', () => {
    expect(() => inclusionProof(5, 5, read)).toThrow(RangeError);
    expect(() => inclusionProof(-1, 5, read)).toThrow(RangeError);
    expect(() => consistencyProof(6, 5, read)).toThrow(RangeError);
    expect(() => rootAt(0.5, read)).toThrow(RangeError);
  });
});

it('walks trees beyond 32 bits', () => {
  // All leaves alike, so that one hash per level stands for a tree too large to build.
  const levels = [leafOf(0)];
  for (let level = 1; level < 53; level++) {
    const below = levels[level - 1] ?? none;
    levels.push(nodeHash(below, below));
  }
  const alike: SubtreeReader = (level) => levels[level] ?? none;
  const sizes = [2 ** 33, 2 ** 40 + 3, 2 ** 52 + 2 ** 31 + 1, Number.MAX_SAFE_INTEGER];
  for (const size of sizes) {
    const root = rootAt(size, alike, native);
    for (const index of [0, 2 ** 32 + 1, size - 2, size - 1]) {
      const proof = inclusionProof(index, size, alike, native);
      expect(proof.length).toBeLessThanOrEqual(53);
      const claim = { leafHash: leafOf(0), index, size, root, proof };
      expect(verifyInclusion(claim, native)).toBe(true);
      expect(verifyInclusion({ ...claim, leafHash: leafOf(1) }, native)).toBe(false);
    }
    for (const oldSize of [1, 2 ** 31, 2 ** 32 + 5, size - 1]) {
      const proof = consistencyProof(oldSize, size, alike, native);
      const oldRoot = rootAt(oldSize, alike, native);
      const claim = { oldSize, newSize: size, oldRoot, newRoot: root, proof };
      expect(verifyConsistency(claim, native)).toBe(true);
      expect(verifyConsistency({ ...claim, oldRoot: flip(oldRoot) }, native)).toBe(false);
    }
  }
});
