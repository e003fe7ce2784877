import type { EngineFacts } from '../core/engine-facts.ts';
import type { Engine } from './engine.ts';

interface Component {
  readonly Name?: string;
  readonly Version?: string;
  readonly Details?: { readonly GitCommit?: string };
}

interface Version {
  readonly Version?: string;
  readonly Components?: readonly Component[];
}

/** Fields of the answer beside those that every call needs; older engines leave some out. */
interface MoreInfo {
  readonly Driver?: string;
  readonly DockerRootDir?: string;
  readonly MemoryLimit?: boolean;
  readonly CpuCfsQuota?: boolean;
  readonly PidsLimit?: boolean;
  readonly CgroupVersion?: string;
  readonly OSType?: string;
  readonly DefaultRuntime?: string;
}

/** What the engine says of itself. Throws as every call of `Engine` does. */
export async function readEngineFacts(engine: Engine, signal: AbortSignal): Promise<EngineFacts> {
  const info = await engine.info(signal);
  const more = info as MoreInfo;
  const { Version, Components = [] } = (await engine.version(signal)) as Version;
  const isPodman = Components.some(({ Name = '' }) => /podman/i.test(Name));
  // The engine leaves out false; one that does not know of a limit at all leaves out the same.
  const limits = [
    ['memory', more.MemoryLimit],
    ['processors', more.CpuCfsQuota],
    ['processes', more.PidsLimit],
  ] as const;
  return {
    product: isPodman ? 'Podman' : 'Docker',
    version: (isPodman ? Version : info.ServerVersion) ?? info.ServerVersion ?? 'unknown',
    runtimes: Object.keys(info.Runtimes ?? {}),
    osType: more.OSType ?? 'linux',
    storageDriver: more.Driver ?? 'unknown',
    rootDir: more.DockerRootDir,
    cgroupVersion: more.CgroupVersion ?? 'unknown',
    missingLimits: limits.flatMap(([name, has]) => (has === true ? [] : [name])),
    seccomp: seccompOf(info.SecurityOptions ?? []),
    runc: buildOf(Components.find(({ Name }) => Name === 'runc')),
    defaultRuntime: more.DefaultRuntime,
  };
}

/** The profile in name=seccomp,profile=default. Engines before 23 tell of their own file by no name. */
function seccompOf(options: readonly string[]): string | undefined {
  const option = options.find((each) => /^name=seccomp(,|$)/.test(each));
  return option === undefined ? undefined : (/,profile=([^,]+)/.exec(option)?.[1] ?? 'default');
}

/** Debian puts the revision of its package where others have a hash. */
function buildOf(component: Component | undefined): string | undefined {
  const commit = component?.Details?.GitCommit ?? '';
  return /^[0-9]+\.[0-9]+/.test(commit) ? commit : component?.Version;
}
