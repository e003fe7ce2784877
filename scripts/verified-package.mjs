// Fetches what runs before the lockfile can be read: Node and pnpm. Their hashes are in the top package.json, so that
// neither a registry nor anybody between can put other bytes there. Plain JavaScript, because it runs under any Node.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a caller tells its user. */
export class FetchError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/**
 * Downloads `name@version`, compares its hash with `hashes`, and only then unpacks it below `folder`, which is empty. Returns
 * the folder of the package. Scripts of the package do not run.
 */
export function fetchVerified({ name, version, hashes, folder, env }) {
  const spec = `${name}@${version}`;
  const expected = hashes?.[spec];
  if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(expected ?? ''))
    throw new FetchError(
      `there is no hash of ${spec} in package.json, so it is not fetched`,
      'add what `npm view PACKAGE@VERSION dist.integrity` prints to toolchain.integrity in package.json',
    );
  const archives = join(folder, 'archive');
  mkdirSync(archives, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  npm(['pack', '--loglevel=error', '--pack-destination', archives, spec], spec, folder, env);
  const archive = join(archives, readdirSync(archives)[0] ?? '');
  const actual = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (actual !== expected)
    throw new FetchError(
      `${spec} is not what this repository names, so nothing of it was unpacked or run\n  expected ${expected}\n  received ${actual}`,
      'somebody changed the package, or the registry serves another one: compare both with a second source before you go on',
    );
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--no-save', '--loglevel=error'];
  npm(['install', '--offline', '--ignore-scripts', ...quiet, archive], spec, folder, env);
  return join(folder, 'node_modules', name);
}

function npm(args, spec, cwd, env) {
  const program = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const run = spawnSync(program, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  if (run.status !== 0)
    throw new FetchError(
      `npm could not fetch ${spec}:\n${run.stderr ?? ''}${run.error ?? ''}`,
      'check the network and the npm registry, then run the same command again',
    );
}
