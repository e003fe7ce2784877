import { systemPackages } from '@capacloud/rig/programs/system-packages';
import type { Sources } from './imports.ts';

/** Programs that the agent finds on its owner's machine or goes without. Tests bring programs of their own in their place. */
export const ownersPrograms: readonly string[] = ['nvidia-smi', 'systemd-notify'];

/** Files that start what they are given, or what they made themselves. */
const starters: ReadonlyMap<string, string> = new Map([
  ['test/rig/programs/command.ts', 'starts what its callers name, as a Program'],
  ['test/rig/programs/managed-process.ts', 'starts what its callers name, as a Program'],
  ['test/rig/engine/dockerd.ts', 'starts the dockerd that was found, or installed'],
  [
    'scripts/with-toolchain.mjs',
    'starts the Node and the pnpm that it fetched, before there is anything else',
  ],
  ['test/rig/programs/managed-process.test.ts', 'starts what cannot be started'],
  ['scripts/start-check.mjs', 'starts the Node that was fetched, to see whether that can be done'],
  ['test/arch/planted-tree.ts', 'starts programs of node_modules, by their path'],
  ['agent/src/scratch/keeper-image.test.ts', 'starts the executable that it wrote'],
  ['agent/src/hardware/nvidia.ts', 'starts nvidia-smi, or what the configuration has in its place'],
  ['agent/src/scratch/loop-scratch.ts', 'has a function that starts what it names'],
]);

const tablePrograms: readonly string[] = systemPackages.flatMap(({ commands }) => [...commands]);
const isOfPackage = (path: string): boolean => /^(agent|coordinator|shared)\//.test(path);

/**
 * Every place that starts a program past the table of system packages. Scripts and tests name one with `programPath`, or
 * through what takes a `Program`; packages, their own tests and plain JavaScript, which may import no table, start nothing that it lacks.
 */
export function findProgramViolations(sources: Sources): readonly string[] {
  return [...sources].flatMap(([path, source]) => [
    ...shellViolations(path, source),
    ...startedBy(source).flatMap((what) => violationOf(path, what)),
  ]);
}

function violationOf(path: string, what: string): readonly string[] {
  if (/^(process\.execPath|thisNode|programPath\()/.test(what)) return [];
  const name = /^'([^']*)'$/.exec(what)?.[1];
  if (name === undefined)
    return starters.has(path) ? [] : [`${path} starts ${what}: name it with programPath('…')`];
  const isOwners = isOfPackage(path) && !path.endsWith('.test.ts') && ownersPrograms.includes(name);
  const isKnown = tablePrograms.includes(name) || isOwners;
  if (!isKnown)
    return [`${path} starts ${name}, of which test/rig/programs/system-packages.ts has no package`];
  return isOfPackage(path) || path.endsWith('.mjs')
    ? []
    : [`${path} starts ${name} by its name: use programPath('${name}')`];
}

/** A shell finds programs by itself. */
function shellViolations(path: string, source: string): readonly string[] {
  return importedNames(source)
    .filter((name) => /^exec(Sync)?$/.test(name))
    .map((name) => `${path} uses ${name}, a shell: use execFile`);
}

/** The names that a source imports of node:child_process; `*` for all of it. */
function importedNames(source: string): readonly string[] {
  const imports = source.matchAll(/^import\s+(?!type\b)([^;]*?)\s+from\s+'(?:node:)?child_process'/gm);
  return [...imports].flatMap(([, names = '']) =>
    names
      .replaceAll(/[{}\s]/g, '')
      .split(',')
      .filter((name) => name !== '' && !name.startsWith('type')),
  );
}

/** The first argument of each call that starts a program, as it is spelled. Forks are Node's own. */
function startedBy(source: string): readonly string[] {
  const imported = importedNames(source).filter((name) => /^(spawn|execFile)(Sync)?$/.test(name));
  if (imported.length === 0) return [];
  const promised = [...source.matchAll(/\bconst (\w+) = promisify\((?:spawn|execFile)\)/g)].map(
    (match) => match[1] ?? '',
  );
  const callees = [...imported, ...promised, 'promisify\\(execFile\\)'].join('|');
  // Not a method of something else, and not what declares it.
  const calls = source.matchAll(
    new RegExp(`(?<![.\\w]|function )(?:${callees})\\(\\s*('[^']*'|[\\w.]+\\(?)`, 'g'),
  );
  return [...calls].map((match) => match[1] ?? '').filter((what) => !/^(spawn|execFile)$/.test(what));
}
