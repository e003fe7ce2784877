import type Docker from 'dockerode';
import type { EngineFacts } from '../core/engine-facts.ts';
import { callEngine, deadlines, engineInfo } from './engine-call.ts';

interface Version {
  readonly Version?: string;
  readonly Components?: readonly { readonly Name?: string; readonly Version?: string }[];
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
}

/** What the engine says of itself. Throws as `callEngine` does. */
export async function readEngineFacts(docker: Docker, signal: AbortSignal): Promise<EngineFacts> {
  const info = await engineInfo(docker, signal);
  const more = info as MoreInfo;
  const { Version, Components = [] } = await callEngine(signal, deadlines.queryMs, (abortSignal) =>
    // As with `info`, the client takes options that its typings leave out.
    (docker as unknown as { version(options: object): Promise<Version> }).version({ abortSignal }),
  );
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
  };
}
