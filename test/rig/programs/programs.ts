import { EngineError } from '../engine/engine-error.ts';
import { findProgram, type SystemPackage, systemPackages } from './system-packages.ts';

/** A program of the table of system packages. */
export type SystemProgram = (typeof systemPackages)[number]['commands'][number];
/** Programs of this checkout, and those that fetched it: with-toolchain.mjs puts them on the PATH. */
const toolchainPrograms = ['biome', 'knip', 'npm', 'oxlint', 'tsc', 'vitest'] as const;
export type ToolchainProgram = (typeof toolchainPrograms)[number];

declare const isProgramFile: unique symbol;
/** A program by its path, where no table can name it. */
export type ProgramFile = string & { readonly [isProgramFile]: true };

/** All that scripts and tests may start. Another name does not compile: first add its Debian package to the table. */
export type Program = SystemProgram | ToolchainProgram | ProgramFile;

/** The Node that runs this. */
export const thisNode = process.execPath as ProgramFile;

/** A program's path, or its name where it is one of this checkout. Throws EngineError with the package that has it. */
export function programPath(program: Program): string {
  const found = findEntry(program);
  if (found === undefined) return program;
  const path = findProgram(program, found);
  if (path !== undefined) return path;
  throw new EngineError(
    'program_missing',
    `the program ${program} is not installed: the Debian package ${found.name} has it`,
    `install the Debian package ${found.name}`,
  );
}

export function hasProgram(program: SystemProgram): boolean {
  const found = findEntry(program);
  return found !== undefined && findProgram(program, found) !== undefined;
}

function findEntry(program: string): SystemPackage | undefined {
  const table: readonly SystemPackage[] = systemPackages;
  return table.find(({ commands }) => commands.includes(program));
}
