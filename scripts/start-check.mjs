// Sees that the Node that was fetched starts on this machine. Plain JavaScript, as with-toolchain.mjs is.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Debian's packages of what the official Node needs besides the C library, and a bare system lacks. */
const packages = { 'libatomic.so.1': 'libatomic1', 'libstdc++.so.6': 'libstdc++6' };

/** Installs the library that is missing, as root on Debian. Calls `fail` with a message and a hint where it does not start. */
export function ensureStarts(node, fail) {
  const stamp = join(dirname(node), '.starts');
  if (existsSync(stamp)) return;
  for (;;) {
    const problem = startProblem(node);
    if (problem === undefined) break;
    const library = /shared libraries: (\S+): /.exec(problem)?.[1];
    const name = Object.hasOwn(packages, library ?? '') ? packages[library] : undefined;
    if (name === undefined || !canInstall() || !install(name, library)) {
      const hint =
        name === undefined ? 'install Node by hand' : `install ${library} (Debian: the package ${name})`;
      fail(`the Node that was fetched does not start:\n${problem}`, `${hint} and run the same command again`);
    }
    // The same library again would go on for ever.
    delete packages[library];
  }
  writeFileSync(stamp, '');
}

function startProblem(node) {
  const { status, stderr, error } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  return status === 0 ? undefined : `${stderr ?? ''}${error ?? ''}`.trim();
}

const canInstall = () => process.getuid?.() === 0 && existsSync('/etc/debian_version');

function install(name, library) {
  process.stderr.write(`capacloud: installing the Debian package ${name}, because Node needs ${library}\n`);
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = (...args) => spawnSync('apt-get', [...options, ...args], { env, stdio: 'ignore' }).status === 0;
  return run('update') && run('install', '--yes', '--no-install-recommends', name);
}
