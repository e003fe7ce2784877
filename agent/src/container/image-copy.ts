import { extract, type Pack } from 'tar-stream';
import type { ContainerUser } from '../core/container-user.ts';
import { own, type Sentence, say } from '../core/sentence.ts';
import type { Engine } from '../engine/engine.ts';
import { engineMessage, engineStatus } from '../engine/engine-call.ts';
import { ownership, plainTime } from '../engine/tar-entry.ts';
import { drained, type Entry, feed } from '../engine/tar-feed.ts';
import { type ScratchMount, scratchInodes } from '../scratch/mount-plan.ts';
import type { ImageProbe } from './image-probe.ts';

/** What the image holds in a folder does not fit into the scratch that is mounted there. */
export class ImageFolderTooLarge extends Error {
  override readonly name = 'ImageFolderTooLarge';

  readonly sentence: Sentence;

  constructor({ folder, sizeBytes }: ScratchMount) {
    const sentence = say`An output lies in ${own(folder)}, where the image holds files of its own, and they do not fit into the ${sizeBytes} bytes of scratch there. Raise resources.disk, or write to a folder of its own, such as /out.`;
    super(sentence);
    this.sentence = sentence;
  }
}

const kept: ReadonlySet<string> = new Set(['file', 'directory', 'symlink', 'link']);
const permissionBits = 0o777;
const nothingLeft = /no space left on device|disk quota exceeded/i;

export interface ImageCopy {
  readonly keeper: string;
  readonly mount: ScratchMount;
  readonly probe: ImageProbe;
  readonly user: ContainerUser;
}

/** Copies what the image holds in the folder of `mount` into its scratch, where it belongs to the container's user. */
export async function copyFromImage(
  engine: Engine,
  { keeper, mount, probe, user }: ImageCopy,
  signal: AbortSignal,
): Promise<void> {
  const source = await probe.openArchive(`${mount.folder}/.`, signal);
  let tooLarge: ImageFolderTooLarge | undefined;
  try {
    const write = async (target: Pack) => {
      try {
        await repackImage(source.chunks, target, mount, user);
      } catch (error) {
        if (error instanceof ImageFolderTooLarge) tooLarge = error;
        throw error;
      }
    };
    await engine.putArchive(keeper, { path: mount.keeperPath, sizeBytes: mount.sizeBytes, write }, signal);
  } catch (error) {
    if (tooLarge !== undefined) throw tooLarge;
    if (engineStatus(error) !== undefined && nothingLeft.test(engineMessage(error)))
      throw new ImageFolderTooLarge(mount);
    throw error;
  } finally {
    source.close();
  }
}

async function repackImage(
  chunks: AsyncIterable<Buffer>,
  target: Pack,
  mount: ScratchMount,
  user: ContainerUser,
): Promise<void> {
  const archive = extract();
  const feeding = feed(chunks, archive);
  let leftBytes = mount.sizeBytes;
  let leftEntries = scratchInodes(mount.sizeBytes);
  for await (const entry of archive) {
    const header = ownedHeader(entry.header, user);
    leftBytes -= header?.type === 'file' ? (entry.header.size ?? 0) : 0;
    leftEntries -= 1;
    if (leftBytes < 0 || leftEntries < 0) throw new ImageFolderTooLarge(mount);
    if (target.destroyed) throw new Error('the engine took no more of the archive');
    const writer = header === undefined ? undefined : target.entry(header);
    if (writer === undefined || header?.type !== 'file') {
      entry.resume();
      continue;
    }
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      if (target.destroyed) throw new Error('the engine took no more of the archive');
      if (!writer.write(chunk) && !writer.destroyed) await drained(writer);
    }
    writer.end(undefined);
  }
  await feeding;
  target.finalize();
}

type Header = Entry['header'];

/** Undefined for the folder itself, and for devices and the like. Without setuid bits, as everything in scratch. */
function ownedHeader({ linkname, mode, mtime, name, size, type }: Header, user: ContainerUser) {
  const plain = plainName(name);
  if (plain === '' || !kept.has(type ?? '')) return undefined;
  const header = {
    name: plain,
    type,
    mode: mode & permissionBits,
    mtime: plainTime(mtime),
    ...ownership(user),
  };
  if (type === 'file') return { ...header, size };
  // A hard link names another entry; a symbolic one says what it says.
  if (type === 'link') return { ...header, linkname: plainName(linkname ?? '') };
  return type === 'symlink' ? { ...header, linkname: linkname ?? '' } : header;
}

function plainName(name: string): string {
  return name
    .replace(/^(\.?\/+)+/, '')
    .replace(/^\.$/, '')
    .replace(/\/+$/, '');
}
