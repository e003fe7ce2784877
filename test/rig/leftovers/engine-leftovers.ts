import Docker from 'dockerode';

/** Removes every container and volume that agents of one coordinator left on an engine. Returns how many. */
export async function removeLeftovers(socketPath: string, coordinator: string): Promise<number> {
  const docker = new Docker({ socketPath });
  const filters = { label: [`capacloud.coordinator=${coordinator}`] };
  const containers = await docker.listContainers({ all: true, filters });
  await Promise.all(
    containers.map(({ Id }) => docker.getContainer(Id).remove({ force: true, v: true }).catch(ignoreGone)),
  );
  const { Volumes } = await docker.listVolumes({ filters: JSON.stringify(filters) as never });
  for (const { Name } of Volumes ?? [])
    await docker.getVolume(Name).remove({ force: true }).catch(ignoreGone);
  return containers.length + (Volumes?.length ?? 0);
}

/** Somebody else (an agent that is going away) was faster. */
function ignoreGone(error: unknown): void {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (status !== 404 && status !== 409) throw error;
}
