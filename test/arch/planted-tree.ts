import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRules } from './arrows.ts';
import { root } from './checkout.ts';

/**
 * A small copy of the house in a temporary folder: its configuration, one package.json and tsconfig.json for
 * each package of the table (also those that do not exist yet), and the files that a test plants.
 */
export class PlantedTree {
  readonly folder = mkdtempSync(join(tmpdir(), 'capacloud-arch-'));

  constructor(files: Readonly<Record<string, string>>) {
    for (const file of [
      'oxlint.config.ts',
      'test/arch/arrows.ts',
      'tsconfig.base.json',
      'tsconfig.json',
      'tsconfig.tests.json',
    ]) {
      this.#write(file, readFileSync(join(root, file), 'utf8'));
    }
    const modules = join(this.folder, 'node_modules');
    mkdirSync(modules);
    for (const name of ['@types', 'oxlint', 'typebox']) symlinkSync(resolvable(name), join(modules, name));
    for (const rule of packageRules) {
      // As pnpm does it: a package sees what it lists, and the top folder lists none of ours.
      for (const { name, folder } of packageRules.filter((other) => rule.internal.includes(other.name))) {
        const link = join(this.folder, rule.folder, 'node_modules', name);
        mkdirSync(dirname(link), { recursive: true });
        symlinkSync(join(this.folder, folder), link);
      }
      this.#write(`${rule.folder}/package.json`, JSON.stringify(manifestOf(rule.name)));
      this.#write(`${rule.folder}/tsconfig.json`, JSON.stringify(projectOf(rule)));
      this.#write(`${rule.folder}/src/thing.ts`, 'export const thing = 1;\n');
    }
    for (const [path, text] of Object.entries(files)) this.#write(path, text);
  }

  #write(path: string, text: string): void {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** `path rule` of everything that oxlint finds. */
  lint(): readonly string[] {
    const output = this.#run('oxlint', ['--type-aware', '--format=json', '--disable-nested-config', '.']);
    const { diagnostics } = JSON.parse(output) as {
      diagnostics: { filename: string; code?: string; message: string }[];
    };
    return diagnostics.map(({ filename, code, message }) => `${filename} ${code ?? message}`);
  }

  /** The compiler's messages for one package and what it refers to. */
  compile(packageFolder: string): string {
    return this.#run('tsc', ['-b', packageFolder, '--pretty', 'false']);
  }

  #run(command: string, args: readonly string[]): string {
    const run = spawnSync(join(root, 'node_modules', '.bin', command), args, {
      cwd: this.folder,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    if (run.error !== undefined) throw run.error;
    return run.stdout;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const resolvable = (name: string): string =>
  name === 'typebox' ? join(root, 'shared/protocol/node_modules/typebox') : join(root, 'node_modules', name);

function manifestOf(name: string): unknown {
  return {
    name,
    type: 'module',
    exports: { './*': { '@capacloud/source': './src/*.ts', types: './dist/*.d.ts', default: './dist/*.js' } },
  };
}

function projectOf({ folder, internal, pure }: (typeof packageRules)[number]): unknown {
  const up = folder
    .split('/')
    .map(() => '..')
    .join('/');
  return {
    extends: `${up}/tsconfig.base.json`,
    compilerOptions: {
      rootDir: 'src',
      outDir: 'dist',
      tsBuildInfoFile: 'dist/.tsbuildinfo',
      types: pure === 'all' ? [] : ['node'],
    },
    include: ['src/**/*.ts'],
    exclude: ['src/**/*.test.ts'],
    references: packageRules
      .filter(({ name }) => internal.includes(name))
      .map((other) => ({ path: `${up}/${other.folder}` })),
  };
}
