import { dirname, join } from 'node:path/posix';
import { type PackageRule, packageRules } from '../../scripts/check-arrows.ts';

/** Source text by path from the top of the repository. */
export type Sources = ReadonlyMap<string, string>;

const isTest = (path: string): boolean => path.endsWith('.test.ts');

/** What a source imports: static and dynamic imports, and re-exports. Comments never start a line with `import`. */
export function importsOf(source: string): readonly string[] {
  const patterns = [
    /^(?:import|export)\b(?:[^;'"=]*?\bfrom\s*)?\s*['"]([^'"\n]+)['"]/gm,
    /\bimport\(\s*['"]([^'"\n]+)['"]/g,
  ];
  return patterns.flatMap((pattern) => [...source.matchAll(pattern)].map((match) => match[1] ?? ''));
}

/**
 * Every import that goes against the table of arrows, as a sentence. Unlike the lint rules this follows paths to
 * their files, so that no spelling and no detour through a file at the top of src gets around it.
 */
export function findArrowViolations(sources: Sources): readonly string[] {
  const graph = new Map<string, readonly string[]>();
  for (const [path, source] of sources) graph.set(path, importsOf(source));
  return packageRules.flatMap((rule) => {
    const own = [...graph].filter(([path]) => path.startsWith(`${rule.folder}/src/`));
    return own.flatMap(([path, specifiers]) => [
      ...specifiers.flatMap((specifier) => packageViolation(rule, path, specifier)),
      ...specifiers.flatMap((specifier) => narrowingViolation(rule, path, specifier)),
      ...(rule.rooms.length === 0 ? [] : roomViolations(rule, path, graph)),
    ]);
  });
}

function packageViolation(rule: PackageRule, path: string, specifier: string): readonly string[] {
  if (specifier.startsWith('.')) {
    const target = join(dirname(path), specifier);
    return target.startsWith(`${rule.folder}/src/`)
      ? []
      : [`${path} leaves its package by the path ${specifier}`];
  }
  const name = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
  const isOurs = name.startsWith('@capacloud/') || packageRules.some((other) => other.name === name);
  return !isOurs || rule.internal.includes(name) ? [] : [`${path} imports ${name}`];
}

function narrowingViolation(rule: PackageRule, path: string, specifier: string): readonly string[] {
  const room = roomOf(rule, path);
  if (room === undefined || isTest(path)) return [];
  const isBeyond = rule.narrowed.some(
    ({ folder, package: name, rooms }) =>
      rooms.includes(room) && specifier.startsWith(`${name}/`) && !specifier.startsWith(`${name}/${folder}/`),
  );
  return isBeyond ? [`${path} imports ${specifier}`] : [];
}

function roomViolations(
  rule: PackageRule,
  path: string,
  graph: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const room = roomOf(rule, path);
  if (room === undefined || rule.composers.includes(room) || isTest(path)) return [];
  if (!rule.rooms.includes(room) && !rule.shared.includes(room)) {
    return [`${path} lies in a folder that scripts/check-arrows.ts does not name`];
  }
  const reached = new Set<string>();
  const pending = [path];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    for (const specifier of graph.get(file) ?? []) {
      const target = join(dirname(file), specifier);
      if (!specifier.startsWith('.') || !target.startsWith(`${rule.folder}/src/`) || reached.has(target))
        continue;
      reached.add(target);
      // Files at the top of src and shared folders are seen through; another room is an end.
      const targetRoom = roomOf(rule, target);
      if (targetRoom === undefined || rule.shared.includes(targetRoom)) pending.push(target);
    }
  }
  return [...reached].flatMap((target) => {
    const targetRoom = roomOf(rule, target);
    if (target === `${rule.folder}/src/main.ts`) return [`${path} reaches main.ts`];
    if (targetRoom === undefined || targetRoom === room || rule.shared.includes(targetRoom)) return [];
    return [`${path} reaches the adapter ${target}`];
  });
}

/** The folder right below src; undefined for a file at the top of src. */
function roomOf(rule: PackageRule, path: string): string | undefined {
  const [first, ...rest] = path.slice(`${rule.folder}/src/`.length).split('/');
  return rest.length === 0 ? undefined : first;
}

/** Reading the clock through `new Date()` is the one impurity that neither types nor lint rules can name. */
export function findClockViolations(sources: Sources): readonly string[] {
  return packageRules.flatMap(({ folder, pure }) => {
    const folders = pure === 'all' ? [`${folder}/src/`] : pure.map((room) => `${folder}/src/${room}/`);
    return [...sources]
      .filter(([path]) => !isTest(path) && folders.some((pureFolder) => path.startsWith(pureFolder)))
      .filter(([, source]) => /\bnew Date\(\s*\)|\bDate\(\s*\)/.test(source))
      .map(([path]) => `${path} reads the clock`);
  });
}
