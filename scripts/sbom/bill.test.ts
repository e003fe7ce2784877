import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { released, writeBill } from './bill.ts';

interface Needs {
  readonly dependencies?: Readonly<Record<string, string | { readonly version: string }>>;
  readonly optionalDependencies?: Readonly<Record<string, string | { readonly version: string }>>;
}
interface Lock {
  readonly importers: Readonly<Record<string, Needs>>;
  readonly snapshots: Readonly<Record<string, Needs>>;
}

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
let folder: string;
let lock: Lock;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'capacloud-sbom-'));
  lock = parse(await readFile(join(root, 'pnpm-lock.yaml'), 'utf8')) as Lock;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Every package of others that the lockfile reaches from a folder without its tools. */
function reached(start: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const waiting: { readonly needs: Needs | undefined; readonly from: string }[] = [
    { needs: lock.importers[start], from: start },
  ];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { from, needs = {} } = next;
    for (const [name, wanted] of Object.entries({ ...needs.dependencies, ...needs.optionalDependencies })) {
      const version = typeof wanted === 'string' ? wanted : wanted.version;
      const isOurs = version.startsWith('link:');
      const key = isOurs ? join(from, version.slice(5)) : `${name}@${version}`;
      if (seen.has(key)) continue;
      seen.add(key);
      waiting.push(isOurs ? { needs: lock.importers[key], from: key } : { needs: lock.snapshots[key], from });
    }
  }
  return new Set(
    [...seen].filter((key) => lock.snapshots[key] !== undefined).map((key) => key.replace(/\(.*/, '')),
  );
}

test.each(released)('the bill of %s names every package with its version, licence and hash', async (name) => {
  const bill = await writeBill(name, join(folder, 'bill.json'), AbortSignal.timeout(60_000));
  expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6' });
  expect(JSON.parse(await readFile(join(folder, 'bill.json'), 'utf8'))).toEqual(bill);
  const nameOf = ({ purl }: { readonly purl: string }): string =>
    decodeURIComponent(purl.replace('pkg:npm/', ''));
  const others = bill.components.filter((each) => each.hashes !== undefined);
  expect(new Set(others.map(nameOf))).toEqual(reached(name));
  const ours = bill.components.filter((each) => each.hashes === undefined).map(nameOf);
  expect(ours.filter((each) => !/^(@capacloud\/\w+|nvidia-smi-parser)@/.test(each))).toEqual([]);
  for (const each of others)
    expect(each.hashes, each.purl).toEqual([
      { alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) },
    ]);
  expect(bill.components.filter(({ licenses = [] }) => licenses.length === 0).map(nameOf)).toEqual([]);
  expect(new Set(bill.components.map(({ purl }) => purl)).size).toBe(bill.components.length);
  const refs = new Set([bill.metadata.component.purl, ...bill.components.map(({ purl }) => purl)]);
  expect(
    bill.dependencies
      .flatMap(({ dependsOn = [], ref }) => [ref, ...dependsOn])
      .filter((ref) => !refs.has(ref)),
  ).toEqual([]);
});
