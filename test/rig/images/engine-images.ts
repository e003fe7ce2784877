import { readFile } from 'node:fs/promises';
import type Docker from 'dockerode';
import { type Pack, pack } from 'tar-stream';
import { programPath } from '../programs/programs.ts';

/** Where the tests find the container engine. */
export const dockerSocket = process.env['CAPACLOUD_DOCKER_SOCKET'] ?? '/var/run/docker.sock';

/** What agents under test list in `local_images`: images that tests make on the engine, which no registry has. */
export const testImages: readonly string[] = ['capacloud-test/*'];
export const busyboxImage = 'capacloud-test/busybox:1';
const applets = (
  'sh cat cp dd echo env false head id kill ln ls mkdir mount mv od printf ps rm seq sleep stat tail test touch ' +
  'tr true wc wget yes ip ulimit df'
).split(' ');

/** A tar of the host's static busybox with links for the programs that tests use, and what else `add` puts in. */
export async function busyboxArchive(add: (archive: Pack) => void = () => {}): Promise<Buffer> {
  const archive = pack();
  archive.entry(
    { name: 'bin/busybox', mode: 0o755, mtime: new Date(0) },
    await readFile(programPath('busybox')),
  );
  for (const applet of applets)
    archive.entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox', mtime: new Date(0) });
  add(archive);
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

/** Imports a tar as an image; `changes` are Dockerfile lines such as `VOLUME /data`. */
export async function importImage(
  docker: Docker,
  repo: string,
  tag: string,
  archive: Buffer,
  changes: readonly string[] = [],
): Promise<string> {
  // The client takes a buffer as it is; its typings know only names and streams.
  const stream = await docker.importImage(archive as unknown as string, { repo, tag, changes: [...changes] });
  let said = '';
  for await (const chunk of stream) said += String(chunk);
  if (said.includes('"error"')) throw new Error(`the engine refused the image: ${said}`);
  return `${repo}:${tag}`;
}

/** The name of a small image with a shell, made on the engine from the host's static busybox when it is missing. */
export async function ensureBusyboxImage(docker: Docker): Promise<string> {
  const present = await docker
    .getImage(busyboxImage)
    .inspect()
    .then(() => true)
    .catch(() => false);
  if (present) return busyboxImage;
  return await importImage(docker, 'capacloud-test/busybox', '1', await busyboxArchive(), ['CMD ["sh"]']);
}
