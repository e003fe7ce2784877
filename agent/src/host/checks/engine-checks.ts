import type { EngineFacts } from '../../core/engine-facts.ts';
import { type Check, type Finding, finding, messageOf, warning } from './finding.ts';
import { judgeConfinement } from './flaw-checks.ts';
import { roomFindings } from './room.ts';

const leastMajor = 20;

export const engineCheck: Check = async ({ config, engine }, signal) => {
  const should = `Docker ${leastMajor} or newer at ${config.dockerSocket}`;
  let facts: EngineFacts;
  try {
    facts = await engine.facts(signal);
  } catch (error) {
    const mend = 'Start Docker, and put the user of the agent into the group docker; or set docker_socket.';
    return [finding('engine', false, messageOf(error), should, mend)];
  }
  const found = judgeEngine(facts, should);
  if (facts.product === 'Podman' || facts.osType !== 'linux') return found;
  return [...found, ...judgeConfinement(facts, config.acceptedFlaws ?? []), ...(await engineRoom(facts))];
};

/** What decides whether the engine can run tasks. */
export function judgeEngine(facts: EngineFacts, should: string): readonly Finding[] {
  const { product, version, runtimes, osType, storageDriver, cgroupVersion, missingLimits } = facts;
  if (product === 'Podman') {
    const mend =
      'Install Docker and set docker_socket to its socket. Podman lacks what the agent needs: it answers events, waits and volumes of its API differently, so attempts would be lost or would not end.';
    return [finding('engine', false, `Podman ${version}`, should, mend)];
  }
  if (osType !== 'linux')
    return [
      finding(
        'engine',
        false,
        `an engine of ${osType} containers`,
        should,
        'Let Docker run Linux containers.',
      ),
    ];
  const isNew = Number.parseInt(version, 10) >= leastMajor;
  const is = `Docker ${version}, runtimes ${runtimes.join(', ')}`;
  const limitsShould = 'containers are held to their memory, processors and processes';
  const limits = finding(
    'limits',
    missingLimits.length === 0,
    missingLimits.length === 0
      ? `enforced (cgroup v${cgroupVersion})`
      : `not enforced: ${missingLimits.join(', ')} (cgroup v${cgroupVersion})`,
    limitsShould,
    'Switch the controllers on: boot with cgroup_enable=memory swapaccount=1, or with cgroup v2; a rootless engine needs them delegated (systemd: Delegate=cpu memory pids).',
  );
  const storageShould = 'a storage driver that shares layers, such as overlay2';
  const storage =
    storageDriver === 'vfs'
      ? warning(
          'storage',
          'vfs, which copies the whole image for every container',
          storageShould,
          'Move the folder of Docker to a file system that carries overlay2 (ext4, xfs with ftype=1).',
        )
      : finding('storage', true, storageDriver, storageShould, '');
  return [finding('engine', isNew, is, should, 'Update Docker.'), limits, storage];
}

/** The engine's own disk, where this is its host. */
async function engineRoom({ rootDir }: EngineFacts): Promise<readonly Finding[]> {
  const mend = 'Free some space there (docker system df shows what takes it), or move the folder of Docker.';
  const should = 'the disk of Docker has room';
  if (rootDir === undefined)
    return [finding('engine_disk', true, 'unknown: the engine does not say where it is', should, '')];
  try {
    return await roomFindings(['engine_disk', 'engine_inodes'], rootDir, mend);
  } catch (error) {
    return [finding('engine_disk', true, `unknown: ${messageOf(error)}`, should, '')];
  }
}
