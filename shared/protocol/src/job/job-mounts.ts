import type { Problem } from '../result.ts';

/** Folders that belong to the image or the kernel: nothing may be mounted over them. */
const reserved = new Set([
  'bin',
  'boot',
  'dev',
  'etc',
  'lib',
  'lib32',
  'lib64',
  'libx32',
  'proc',
  'root',
  'run',
  'sbin',
  'sys',
  'tmp',
  'usr',
  'var',
]);

/** The folder that is mounted for an input: the one that holds it. */
export function inputFolder(target: string): string {
  return target.slice(0, target.lastIndexOf('/'));
}

/** The folder that is mounted for an output: the path itself, or the folder that holds it when it names a file (its last part has a dot). */
export function outputFolder(path: string): string {
  return isFilePath(path) ? path.slice(0, path.lastIndexOf('/')) : path.replace(/\/+$/, '');
}

/** A path whose last part has a dot names a file; every other one names a folder. */
export function isFilePath(path: string): boolean {
  return path.slice(path.lastIndexOf('/') + 1).includes('.');
}

function isPlain(path: string): boolean {
  return (
    !/[\p{Cc}\\,:]/u.test(path) &&
    !path.split('/').some((part, index) => part === '.' || part === '..' || (part === '' && index > 0))
  );
}

/** `*`, `?`, `[ab]` and `{a,b}`, as shells expand them. Nothing expands them here. No part takes what begins another, so a long path costs little. */
export function holdsPattern(path: string): boolean {
  return /[*?]|\[[^[\]/]+\]|\{[^{}/,]*,[^{}/]*\}/.test(path);
}

function patternFault(path: string): string {
  const parts = path.split('/');
  const folder = parts.slice(0, parts.findIndex(holdsPattern)).join('/');
  const advice = /^\/[A-Za-z0-9._/-]{1,200}$/.test(folder)
    ? `name the folder ${folder}, all of which is kept`
    : 'name a folder such as /out, all of which is kept';
  return `must be a path, because wildcards are not expanded; ${advice}`;
}

/**
 * Inputs and outputs are mounted as folders, because containers cannot mount single files portably. So every
 * path needs a folder of its own, inputs and outputs may not share one, and none may hide part of the system. The folder
 * of the checkpoint is shared with neither.
 */
export function checkMounts(
  inputs: readonly { readonly target: string }[],
  outputs: readonly { readonly path: string }[],
  checkpoint?: { readonly path: string },
): readonly Problem[] {
  const problems: Problem[] = [];
  const targets = new Set<string>();
  const folders: { folder: string; pointer: string; kind: 'input' | 'output' | 'checkpoint' }[] = [];
  const add = (
    pathText: string,
    pointer: string,
    kind: 'input' | 'output' | 'checkpoint',
    folder: string,
  ) => {
    const path = kind === 'output' ? pathText.replace(/\/$/, '') : pathText;
    if (kind !== 'input' && holdsPattern(path)) {
      problems.push({ pointer, message: patternFault(path) });
    } else if (path === '') {
      problems.push({ pointer, message: 'must name a folder below /, such as /out' });
    } else if (!isPlain(path)) {
      problems.push({
        pointer,
        message: 'must be a plain absolute path without . or .. parts, colons, commas or backslashes',
      });
    } else if (folder === '') {
      problems.push({
        pointer,
        message: `must be inside a folder, for example ${kind === 'input' ? '/in/data.json' : '/out/result.json'}`,
      });
    } else if (reserved.has(folder.split('/')[1] ?? '')) {
      problems.push({
        pointer,
        message: reservedWords(folder.split('/')[1] ?? ''),
      });
    } else if (targets.has(path)) {
      problems.push({ pointer, message: 'is named twice' });
    } else {
      targets.add(path);
      folders.push({ folder, pointer, kind });
    }
  };
  inputs.forEach((input, index) =>
    add(input.target, `/inputs/${index}/target`, 'input', inputFolder(input.target)),
  );
  outputs.forEach((output, index) =>
    add(output.path, `/outputs/${index}/path`, 'output', outputFolder(output.path)),
  );
  for (const output of folders.filter((entry) => entry.kind === 'output')) {
    const clash = folders.find((entry) => entry.kind === 'input' && overlaps(entry.folder, output.folder));
    if (clash !== undefined)
      problems.push({
        pointer: output.pointer,
        message: `overlaps ${clash.pointer}: inputs are read-only, so outputs need a folder of their own`,
      });
  }
  if (checkpoint === undefined) return problems;
  add(checkpoint.path, '/checkpoint/path', 'checkpoint', checkpoint.path);
  const own = folders.find(({ kind }) => kind === 'checkpoint');
  const other = folders.find(
    (entry) => entry !== own && own !== undefined && overlaps(entry.folder, own.folder),
  );
  if (other !== undefined)
    problems.push({
      pointer: '/checkpoint/path',
      message: `overlaps ${other.pointer}: a checkpoint needs a folder of its own`,
    });
  return problems;
}

function reservedWords(name: string): string {
  const owner = /^(?:dev|proc|run|sys|tmp)$/.test(name)
    ? 'every container has of its own'
    : 'belongs to the image';
  return `may not be below /${name}, which ${owner}; choose a folder such as /in or /out`;
}

function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}
