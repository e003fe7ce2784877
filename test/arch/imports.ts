import { dirname, join } from 'node:path/posix';
import { packageRules } from './arrows.ts';

/** Source text by path from the top of the repository. */
export type Sources = ReadonlyMap<string, string>;

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** The compiler erases it. An `import { type X }` is none of these: it still loads the module. */
  readonly isTypeOnly: boolean;
}

export const isTest = (path: string): boolean => path.endsWith('.test.ts');

/**
 * What a source imports: static and dynamic imports, types included, and re-exports. Comments never start a line with
 * `import`.
 */
export function importsOf(source: string): readonly Import[] {
  const patterns = [
    /^(?:import|export)\b(?:[^;'"=]*?\bfrom\s*)?\s*['"]([^'"$\n]+)['"]/gm,
    /\bimport\(\s*['"]([^'"$\n]+)['"]/g,
  ];
  return patterns.flatMap((pattern) =>
    [...source.matchAll(pattern)].map((match) => ({
      specifier: match[1] ?? '',
      line: source.slice(0, match.index + match[0].length).split('\n').length,
      isTypeOnly: /^(?:import|export) type\b/.test(match[0]),
    })),
  );
}

/** The file that an import means, from the top of the repository; undefined for what is not of this repository. */
export function targetOf(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return join(dirname(path), specifier);
  const rule = packageRules.find(({ name }) => specifier.startsWith(`${name}/`));
  return rule && `${rule.folder}/src${specifier.slice(rule.name.length)}.ts`;
}
