import { independentFolders, type PackageRule, packageRules } from './arrows.ts';
import { type Import, importsOf, isTest, type Sources, targetOf } from './imports.ts';

/** An import that goes against the table. */
export interface BrokenArrow {
  readonly file: string;
  readonly line: number;
  /** What imports what. */
  readonly arrow: string;
  /** What to do instead. */
  readonly hint: string;
}

export const describeArrow = ({ file, line, arrow, hint }: BrokenArrow): string =>
  `${file}:${line} ${arrow}. ${hint}`;

const table = 'test/arch/arrows.ts';
/** What pure rooms of a package that is not pure may import from outside. */
const purePackages = ['@capacloud/protocol', 'typebox'];
const testPackages = ['vitest', 'fast-check'];
const packageName = /^(?:@[^/]+\/)?[^/]+/;

/** Every import of packages and independent folders that goes against the table of arrows. */
export function findBrokenArrows(sources: Sources): readonly BrokenArrow[] {
  return [...sources].flatMap(([file, source]) => {
    const rule = packageRules.find(({ folder }) => file.startsWith(`${folder}/src/`));
    const independent = independentFolders.find((folder) => file.startsWith(`${folder}/`));
    return importsOf(source).flatMap((one) => {
      const broken =
        rule !== undefined
          ? brokenOf(rule, file, one.specifier)
          : independent !== undefined
            ? brokenByIndependent(independent, file, one)
            : undefined;
      return broken === undefined ? [] : [{ file, line: one.line, ...broken }];
    });
  });
}

type Broken = Pick<BrokenArrow, 'arrow' | 'hint'> | undefined;

function brokenOf(rule: PackageRule, file: string, specifier: string): Broken {
  if (!specifier.startsWith('.')) return brokenPackage(rule, file, specifier);
  const target = targetOf(file, specifier) ?? '';
  if (target.startsWith(`${rule.folder}/src/`)) return brokenRoom(rule, file, target);
  return {
    arrow: `${rule.folder} leaves its package by the path ${specifier}`,
    hint: 'Import another package by its name.',
  };
}

function brokenPackage(rule: PackageRule, file: string, specifier: string): Broken {
  const room = roomOf(rule, file);
  const isPure = rule.pure === 'all' || (room !== undefined && rule.pure.includes(room));
  const allowed = [
    ...(isPure && rule.pure !== 'all' ? purePackages : [...rule.internal, ...rule.external]),
    ...(isTest(file) ? [...rule.internal, ...rule.external, ...testPackages] : []),
  ];
  const isNode = specifier.startsWith('node:');
  const name = packageName.exec(specifier)?.[0] ?? specifier;
  const where = isPure && rule.pure !== 'all' ? `${rule.folder}/src/${room}` : rule.folder;
  if (isNode ? isPure && !isTest(file) : !allowed.includes(name)) {
    const names = [...new Set(allowed)].join(', ');
    return {
      arrow: `${where} imports ${specifier}`,
      hint: `It may import its own files${isPure ? '' : ', node:*'} and these packages only: ${names}.`,
    };
  }
  if (name.startsWith('@capacloud/') && name === specifier) {
    return {
      arrow: `${where} imports the whole of ${name}`,
      hint: `Packages export by subpath: name the module, as in ${name}/units.`,
    };
  }
  const beyond = rule.narrowed?.find(
    (part) =>
      part.rooms.includes(room ?? '') &&
      specifier.startsWith(`${part.package}/`) &&
      !specifier.startsWith(`${part.package}/${part.folder}/`),
  );
  if (beyond !== undefined && !isTest(file))
    return { arrow: `${rule.folder}: ${room} imports ${specifier}`, hint: beyond.why };
  return undefined;
}

function brokenRoom(rule: PackageRule, file: string, target: string): Broken {
  const from = roomOf(rule, file);
  const to = roomOf(rule, target);
  for (const [path, room] of [
    [file, from],
    [target, to],
  ]) {
    if (room === undefined)
      return { arrow: `${path} lies in no room`, hint: `Give its folder a line in ${table}.` };
  }
  if (from === undefined || to === undefined || from === to || isTest(file)) return undefined;
  const may = lineOf(rule, from);
  if (may === '*' || may.split(' ').some((word) => word === to || word === lineNameOf(rule, to)))
    return undefined;
  return {
    arrow: `${rule.folder}: ${from} imports ${to} (${target})`,
    hint:
      may === ''
        ? `${from} imports no other room: pass it in, or move what both need into a room below (${table}).`
        : `${from} may import ${may}: share the type there, and let a room above put the two together (${table}).`,
  };
}

function brokenByIndependent(folder: string, file: string, { specifier }: Import): Broken {
  const target = targetOf(file, specifier);
  if (specifier === 'vitest' || target?.startsWith(`${folder}/`) === true) return undefined;
  return {
    arrow: `${folder} imports ${specifier}`,
    hint: 'It may import its own files only, for it checks all others.',
  };
}

/** The room of a file: the longest name in the table that it lies below. */
export function roomOf({ folder, rooms }: PackageRule, path: string): string | undefined {
  const parts = path.slice(`${folder}/src/`.length).split('/');
  for (let length = parts.length; length > 0; length--) {
    const name = parts.slice(0, length).join('/');
    if (rooms[name] !== undefined) return name;
    // A folder in x is a room where `x/*` is.
    if (length < parts.length && rooms[`${parts.slice(0, length - 1).join('/')}/*`] !== undefined)
      return name;
  }
  return parts.length === 1 && rooms['.'] !== undefined ? '.' : undefined;
}

const lineNameOf = ({ rooms }: PackageRule, room: string): string =>
  rooms[room] === undefined ? room.replace(/[^/]+$/, '*') : room;

const lineOf = (rule: PackageRule, room: string): string => rule.rooms[lineNameOf(rule, room)] ?? '';

/** Words of the table that name no room, and rooms without a file. */
export function findStaleLines(paths: readonly string[]): readonly string[] {
  return packageRules.flatMap((rule) => {
    const own = paths.filter((path) => path.startsWith(`${rule.folder}/src/`));
    if (own.length === 0) return [];
    const used = new Set(own.map((path) => lineNameOf(rule, roomOf(rule, path) ?? '')));
    return Object.entries(rule.rooms).flatMap(([room, may]) => [
      ...(used.has(room) ? [] : [`${rule.folder}: no file lies in ${room}`]),
      ...may
        .split(' ')
        .filter((word) => word !== '' && word !== '*' && rule.rooms[word] === undefined)
        .map((word) => `${rule.folder}: ${room} may import ${word}, which is no room`),
    ]);
  });
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
