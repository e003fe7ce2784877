import { packageRules } from './arrows.ts';
import type { Sources } from './imports.ts';

/** Everything that may lie at the top of the repository, besides files. */
const topLevelFolders: readonly string[] = [
  '.ci',
  '.github',
  'agent',
  'coordinator',
  'scripts',
  'shared',
  'test',
];

/** Folders of packages besides those of the table would escape every rule. */
const packageParents: readonly string[] = ['coordinator', 'shared'];

const maxLines = 300;
const vagueWords = ['utils', 'util', 'helpers', 'helper', 'common', 'manager', 'managers', 'misc'];

/** What is wrong with where things lie and how they are called, over every path that git would track. */
export function findTreeViolations(paths: readonly string[]): readonly string[] {
  return [...topLevel(paths), ...unknownPackages(paths), ...vagueNames(paths), ...missingReadmes(paths)];
}

function topLevel(paths: readonly string[]): readonly string[] {
  const folders = new Set(paths.filter((path) => path.includes('/')).map((path) => path.split('/')[0] ?? ''));
  return [...folders]
    .filter((folder) => !topLevelFolders.includes(folder))
    .map((folder) => `${folder}/ is no folder of this house`);
}

function unknownPackages(paths: readonly string[]): readonly string[] {
  const folders = new Set(
    paths
      .map((path) => path.split('/'))
      .filter(([parent = '', , ...rest]) => packageParents.includes(parent) && rest.length > 0)
      .map(([parent, child]) => `${parent}/${child}`),
  );
  return [...folders]
    .filter((folder) => !packageRules.some((rule) => rule.folder === folder))
    .map((folder) => `${folder} is a package that test/arch/arrows.ts does not name`);
}

function vagueNames(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => {
    const words = path.toLowerCase().split(/[/.-]/);
    return vagueWords.filter((word) => words.includes(word)).map((word) => `${path} is called ${word}`);
  });
}

function missingReadmes(paths: readonly string[]): readonly string[] {
  return packageRules
    .filter(
      ({ folder }) => paths.includes(`${folder}/package.json`) && !paths.includes(`${folder}/README.md`),
    )
    .map(({ folder }) => `${folder} has no README.md`);
}

/** Source files that have outgrown the limit; a test may be longer. */
export function findLongFiles(sources: Sources): readonly string[] {
  return [...sources]
    .filter(([path]) => !path.endsWith('.test.ts') && !path.startsWith('test/'))
    .map(([path, source]) => ({ path, lines: source.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > maxLines)
    .map(({ path, lines }) => `${path} has ${lines} lines; split it by idea`);
}

/** A lockfile that names a registry's host would tie everybody to the machine that wrote it. */
export function findRegistryHosts(lockfile: string): readonly string[] {
  return lockfile
    .split('\n')
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(
      ({ line }) =>
        /\btarball:/.test(line) ||
        /https?:\/\/[^\s'"]*(npm|registry|artifactory|nexus|verdaccio)/i.test(line),
    )
    .filter(({ line }) => !line.startsWith('deprecated:'))
    .map(({ line, number }) => `pnpm-lock.yaml:${number} names a host: ${line}`);
}
