import Docker from 'dockerode';

interface EngineObject {
  readonly names: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  remove(): Promise<unknown>;
}

/** An engine may still carry out a request of a client that was killed. */
const rounds = 5;
const pauseMs = 300;

/**
 * Removes containers, networks, volumes and names of images with the run's id in a name or label, or with a label of its
 * coordinators. An image goes with its last name.
 */
export async function removeFromEngine(
  socketPath: string,
  id: string,
  coordinators: readonly string[],
): Promise<void> {
  const docker = new Docker({ socketPath });
  for (let round = 0; round < rounds; round++) {
    let removed = 0;
    for (const list of [containersOf, networksOf, volumesOf, imageNamesOf]) {
      const objects = await list(docker);
      const ours = objects.filter((object) => isMarked(object, id, coordinators));
      for (const object of ours) await object.remove().catch(ignoreGone);
      removed += ours.length;
    }
    if (removed === 0 && round > 0) return;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

const isMarked = ({ names, labels }: EngineObject, id: string, coordinators: readonly string[]): boolean =>
  [...names, ...Object.values(labels)].some((text) => text.includes(id)) ||
  coordinators.includes(labels['capacloud.coordinator'] ?? '');

async function containersOf(docker: Docker): Promise<readonly EngineObject[]> {
  return (await docker.listContainers({ all: true })).map(({ Id, Names, Labels }) => ({
    names: Names,
    labels: Labels,
    remove: () => docker.getContainer(Id).remove({ force: true, v: true }),
  }));
}

async function networksOf(docker: Docker): Promise<readonly EngineObject[]> {
  return (await docker.listNetworks()).map(({ Id, Name, Labels }) => ({
    names: [Name],
    labels: Labels ?? {},
    remove: () => docker.getNetwork(Id).remove(),
  }));
}

async function volumesOf(docker: Docker): Promise<readonly EngineObject[]> {
  const { Volumes } = await docker.listVolumes();
  return (Volumes ?? []).map(({ Name, Labels }) => ({
    names: [Name],
    labels: Labels ?? {},
    remove: () => docker.getVolume(Name).remove({ force: true }),
  }));
}

/** Labels of an image are left out: they are of whoever built it. */
async function imageNamesOf(docker: Docker): Promise<readonly EngineObject[]> {
  const images = await docker.listImages();
  const names = images.flatMap(({ RepoTags, RepoDigests }) => [...(RepoTags ?? []), ...(RepoDigests ?? [])]);
  return names.map((name) => ({
    names: [name],
    labels: {},
    remove: () => docker.getImage(name).remove({ force: true }),
  }));
}

/** Somebody else was faster, or it is in use until something else of the list is gone. */
function ignoreGone(error: unknown): void {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (status !== 404 && status !== 409) throw error;
}
