import { type PackageRule, packageRules } from './arrows.ts';

export interface Manifest {
  readonly name?: string;
  readonly type?: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface ProjectConfig {
  readonly compilerOptions?: { readonly types?: readonly string[]; readonly lib?: readonly string[] };
  readonly references?: readonly { readonly path: string }[];
}

/** What a package.json says that its rule does not allow. */
export function findManifestViolations(rule: PackageRule, manifest: Manifest): readonly string[] {
  const violations: string[] = [];
  const say = (text: string): void => void violations.push(`${rule.folder}/package.json ${text}`);
  if (manifest.name !== rule.name) say(`is named ${manifest.name}, not ${rule.name}`);
  if (manifest.type !== 'module') say('is not of type module');
  if (manifest.license !== 'Apache-2.0') say('does not name the licence Apache-2.0');
  const runtime = {
    ...manifest.dependencies,
    ...manifest.optionalDependencies,
    ...manifest.peerDependencies,
  };
  const allowed = [...rule.internal, ...rule.external];
  for (const [name, version] of Object.entries(runtime)) {
    if (!allowed.includes(name)) say(`depends on ${name}`);
    if (!isPinned(version)) say(`asks for ${name} as ${version}, not as catalog: or workspace:*`);
  }
  for (const [name, version] of Object.entries(manifest.devDependencies ?? {})) {
    const isOurs = packageRules.some((other) => other.name === name);
    if (isOurs && !allowed.includes(name)) say(`depends on ${name} in its tests`);
    if (!isPinned(version)) say(`asks for ${name} as ${version}, not as catalog: or workspace:*`);
  }
  return violations;
}

const isPinned = (version: string): boolean => version === 'catalog:' || version === 'workspace:*';

/** What a tsconfig.json says that its rule does not allow. */
export function findProjectViolations(rule: PackageRule, config: ProjectConfig): readonly string[] {
  const allowed = packageRules.filter(({ name }) => rule.internal.includes(name)).map(({ folder }) => folder);
  const violations: string[] = [];
  for (const { path } of config.references ?? []) {
    const target = new URL(path, `file:///${rule.folder}/`).pathname.slice(1);
    if (!allowed.includes(target)) violations.push(`${rule.folder}/tsconfig.json refers to ${target}`);
  }
  if (rule.pure !== 'all') return violations;
  if (config.compilerOptions?.types?.length !== 0)
    violations.push(`${rule.folder}/tsconfig.json lets ambient types in`);
  if (config.compilerOptions?.lib !== undefined) violations.push(`${rule.folder}/tsconfig.json widens lib`);
  return violations;
}
