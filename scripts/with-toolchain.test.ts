import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { waitUntil } from '@capacloud/rig/programs/process-table';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ensureStarts } from './start-check.mjs';

const scripts = dirname(fileURLToPath(import.meta.url));
const pnpmVersion = '0.0.0';

/** A checkout whose path has spaces, with a pnpm that only writes down that it was called. */
let folder: string;
const inCheckout = (...parts: string[]): string => join(folder, ...parts);

beforeAll(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'capacloud-toolchain-')), 'a checkout with spaces');
  for (const path of ['scripts/bin', 'node_modules', 'agent/src', 'shared/client/src/cli'])
    mkdirSync(inCheckout(path), { recursive: true });
  for (const file of [
    'with-toolchain.mjs',
    'start-check.mjs',
    'verified-package.mjs',
    'bin/capacloud.mjs',
    'bin/capacloud-agent.mjs',
  ])
    copyFileSync(join(scripts, file), inCheckout('scripts', file));
  symlinkSync(join(dirname(scripts), 'node_modules', 'tsx'), inCheckout('node_modules', 'tsx'));
  const toolchain = { node: process.versions.node, oldestNode: '24.0.0', pnpm: pnpmVersion };
  write('package.json', JSON.stringify({ type: 'module', toolchain }));
  write('agent/package.json', '{}');
  const pnpm = `@pnpm/exe.${process.platform}-${process.arch}`;
  const pnpmFolder = ['.toolchain', `${pnpm.replaceAll('/', '+')}@${pnpmVersion}`, 'node_modules', pnpm];
  mkdirSync(inCheckout(...pnpmFolder), { recursive: true });
  write(join(...pnpmFolder, 'package.json'), '{}');
  write(
    join(...pnpmFolder, 'pnpm'),
    '#!/bin/sh\necho "$*" >> installs\nsleep 0.3\nexit "$(cat pnpm-exit 2>/dev/null || echo 0)"\n',
    0o755,
  );
  write(
    'scripts/echo.ts',
    'process.stdout.write(JSON.stringify(process.argv.slice(2)));\nprocess.exitCode = 7;\n',
  );
  for (const main of ['shared/client/src/cli/main.ts', 'agent/src/main.ts'])
    write(main, 'console.log(JSON.stringify([process.cwd(), import.meta.url, ...process.argv.slice(2)]));\n');
  write('scripts/crash.ts', "process.kill(process.pid, 'SIGKILL');\nsetInterval(() => {}, 1000);\n");
  write(
    'scripts/wait.ts',
    "let count = 0;\nprocess.on('SIGTERM', () => {\n  count += 1;\n  setTimeout(() => {\n    process.stdout.write(`tidied after ${count}`);\n    process.exit(9);\n  }, 200);\n});\nprocess.stdout.write('up ');\nsetInterval(() => {}, 1000);\n",
  );
});
beforeEach(() => {
  for (const file of ['installs', 'pnpm-exit', 'node_modules/.capacloud-installed'])
    rmSync(inCheckout(file), { force: true });
});
afterAll(() => rmSync(dirname(folder), { recursive: true, force: true }));

function write(path: string, text: string, mode = 0o644): void {
  writeFileSync(inCheckout(path), text, { mode });
}

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<{ code: number | null; output: string }>;
}

function start(...args: string[]): Run {
  const child = spawn(process.execPath, [inCheckout('scripts', 'with-toolchain.mjs'), ...args], {
    cwd: tmpdir(),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, output }));
  });
  return { child, output: () => output, ended };
}

const installs = (): number =>
  existsSync(inCheckout('installs'))
    ? readFileSync(inCheckout('installs'), 'utf8').trim().split('\n').length
    : 0;

describe('install', () => {
  test('happens once for two runs at the same time, and not again after', async () => {
    const runs = await Promise.all([start('echo').ended, start('echo').ended]);
    expect(runs.map(({ code }) => code)).toEqual([7, 7]);
    expect(installs()).toBe(1);
    await start('echo').ended;
    expect(installs()).toBe(1);
  });

  test('happens again when a manifest changed', async () => {
    await start('echo').ended;
    write('agent/package.json', '{"name":"other"}');
    await start('echo').ended;
    expect(installs()).toBe(2);
  });

  test('takes over the lock of a run that is gone', async () => {
    write('.toolchain/install.lock', '999999999');
    expect((await start('echo').ended).code).toBe(7);
    expect(existsSync(inCheckout('.toolchain', 'install.lock'))).toBe(false);
  });

  test('that fails says so, frees the lock, and is tried again', async () => {
    write('pnpm-exit', '1');
    const failed = await start('echo').ended;
    expect(failed).toMatchObject({ code: 1, output: expect.stringContaining('pnpm install failed') });
    expect(existsSync(inCheckout('.toolchain', 'install.lock'))).toBe(false);
    rmSync(inCheckout('pnpm-exit'));
    expect((await start('echo').ended).code).toBe(7);
  });
});

test.each([
  ['capacloud', 'shared/client/src/cli/main.ts'],
  ['capacloud-agent', 'agent/src/main.ts'],
])('the program %s runs from its sources, in the folder of its caller', async (name, main) => {
  const cwd = realpathSync(tmpdir());
  const child = spawn(process.execPath, [inCheckout('scripts', 'bin', `${name}.mjs`), 'run', 'a b'], { cwd });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  expect(JSON.parse(output)).toEqual([cwd, pathToFileURL(realpathSync(inCheckout(main))).href, 'run', 'a b']);
});

describe('command', () => {
  test('gets its arguments whole, and its exit code comes back', async () => {
    const { code, output } = await start('echo', 'two words', '--flag=$HOME', '').ended;
    expect(output).toContain(JSON.stringify(['two words', '--flag=$HOME', '']));
    expect(code).toBe(7);
  });

  test.each([[], ['no-such-command'], ['../echo'], ['']])(
    '%j is refused with the list of commands',
    async (...args) => {
      expect(await start(...args).ended).toMatchObject({
        code: 1,
        output: expect.stringContaining('one of: test, check'),
      });
    },
  );

  test('that a signal ended gives 128 and the signal', async () => {
    expect((await start('crash').ended).code).toBe(137);
  });

  test('gets a signal once however often it is repeated at once, and may tidy up', async () => {
    const run = start('wait');
    await waitUntil(() => run.output().includes('up'), 15_000);
    run.child.kill('SIGTERM');
    run.child.kill('SIGTERM');
    expect(await run.ended).toMatchObject({ code: 9, output: expect.stringContaining('tidied after 1') });
  });
});

describe('a Node that does not start', () => {
  test('is told with its own words, and with the package where one is known', () => {
    const node = inCheckout('broken-node');
    const failed: string[][] = [];
    const fail = (...words: string[]): never => {
      failed.push(words);
      throw new Error('ended');
    };
    write(
      'broken-node',
      '#!/bin/sh\necho "node: error while loading shared libraries: libodd.so.9: no" >&2\nexit 127\n',
      0o755,
    );
    expect(() => ensureStarts(node, fail)).toThrow('ended');
    expect(failed).toEqual([
      [expect.stringContaining('libodd.so.9'), expect.stringContaining('install Node by hand')],
    ]);
  });

  test('is looked at once', () => {
    const node = inCheckout('counting-node');
    write('counting-node', `#!/bin/sh\necho once >> '${inCheckout('looked')}'\n`, 0o755);
    const fail = (message: string): never => {
      throw new Error(message);
    };
    ensureStarts(node, fail);
    ensureStarts(node, fail);
    expect(readFileSync(inCheckout('looked'), 'utf8')).toBe('once\n');
  });
});
