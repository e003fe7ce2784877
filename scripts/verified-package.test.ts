import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, expect, test } from 'vitest';

const scripts = dirname(fileURLToPath(import.meta.url));
const name = `@pnpm/exe.${process.platform}-${process.arch}`;
const integrityOf = (archive: Buffer): string => `sha512-${hash('sha512', archive, 'base64')}`;

let folder: string;
let registry: Server;
/** What the registry gives out. Its own hash is always right, so npm has nothing to find. */
let served: Buffer;

async function packageThatSays(word: string): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: 'package/package.json' }, JSON.stringify({ name, version: '0.0.1' }));
  archive.entry({ name: 'package/pnpm', mode: 0o755 }, `#!/bin/sh\necho ${word}\n`);
  archive.finalize();
  return gzipSync(await buffer(archive));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'capacloud-hash-'));
  mkdirSync(join(folder, 'scripts'));
  for (const file of ['with-toolchain.mjs', 'start-check.mjs', 'verified-package.mjs'])
    copyFileSync(join(scripts, file), join(folder, 'scripts', file));
  registry = createServer((request, response) => {
    if (request.url?.endsWith('.tgz')) return response.end(served);
    const { port } = registry.address() as AddressInfo;
    const dist = {
      tarball: `http://127.0.0.1:${port}/pnpm-0.0.1.tgz`,
      integrity: integrityOf(served),
    };
    return response.end(
      JSON.stringify({
        name,
        'dist-tags': { latest: '0.0.1' },
        versions: { '0.0.1': { name, version: '0.0.1', dist } },
      }),
    );
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the fetched pnpm, where it is what package.json says. */
async function runPnpm(integrity: Readonly<Record<string, string>>): Promise<string> {
  const toolchain = { node: process.versions.node, oldestNode: '24.0.0', pnpm: '0.0.1', integrity };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', toolchain }));
  rmSync(join(folder, '.toolchain'), { recursive: true, force: true });
  const { port } = registry.address() as AddressInfo;
  const child = spawn(process.execPath, [join(folder, 'scripts', 'with-toolchain.mjs'), 'pnpm', 'x'], {
    env: {
      ...process.env,
      npm_config_registry: `http://127.0.0.1:${port}/`,
      npm_config_cache: mkdtempSync(join(folder, 'cache-')),
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return `${output}exit ${String(code)}`;
}

const fetched = (): readonly string[] => readdirSync(join(folder, '.toolchain'));

test('a package with the hash that package.json names is unpacked and runs', async () => {
  served = await packageThatSays('honest');
  const output = await runPnpm({ [`${name}@0.0.1`]: integrityOf(served) });
  expect(output).toContain('honest\nexit 0');
  expect(fetched()).toEqual([`${name.replaceAll('/', '+')}@0.0.1`]);
});

test('a package that the registry vouches for is refused where one byte is not what package.json names', async () => {
  const expected = integrityOf(await packageThatSays('honest'));
  served = await packageThatSays('h0nest');
  const output = await runPnpm({ [`${name}@0.0.1`]: expected });
  expect(output).toContain(`${name}@0.0.1 is not what this repository names`);
  expect(output).toContain(`expected ${expected}\n  received ${integrityOf(served)}`);
  expect(output).toMatch(/hint: .*second source[\s\S]*exit 1$/);
  expect(output).not.toContain('h0nest');
  expect(fetched()).toEqual([]);
});

test('a package without a hash is not fetched', async () => {
  expect(await runPnpm({})).toMatch(/there is no hash of .* in package\.json[\s\S]*exit 1$/);
});
