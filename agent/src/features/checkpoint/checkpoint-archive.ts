import { extract, type Pack } from 'tar-stream';
import type { ContainerUser } from '../../core/container-user.ts';
import { ownership, plainTime } from '../../engine/tar-entry.ts';
import { drained, type Entry, feed, printable } from '../../engine/tar-feed.ts';
import { maxCheckpointEntries, maxCheckpointNameBytes } from './checkpoint-rules.ts';

/** An archive is no checkpoint by the rules here. */
export class ArchiveRefused extends Error {
  override readonly name = 'ArchiveRefused';
}

export interface RepackRules {
  /** Of content. */
  readonly maxBytes: number;
  readonly owner: ContainerUser;
  /** Parts that lead every name and are not kept. */
  readonly leadingParts: number;
  /** What becomes of what is neither a plain file nor a folder with a plain name. */
  readonly odd: 'refuse' | 'leave out';
}

const maxDepth = 64;
const maxPartBytes = 255;
const permissionBits = 0o777;

/**
 * Reads an archive that anybody may have made and writes what it may hold into `into` (or only looks): regular files and
 * folders, each below a folder that came before it, under plain relative names. Headers are made anew, so that nothing of
 * the old ones passes but name, size, time and permission bits. Gives the number of entries. Throws ArchiveRefused, or
 * what reading or writing failed with; `into` is left unfinished then.
 */
export async function repack(
  chunks: AsyncIterable<Buffer>,
  into: Pack | undefined,
  rules: RepackRules,
  signal: AbortSignal,
): Promise<number> {
  const archive = extract();
  const feeding = feed(chunks, archive);
  const kept = new Map<string, 'file' | 'directory'>();
  let leftBytes = rules.maxBytes;
  for await (const entry of archive) {
    signal.throwIfAborted();
    const { header } = entry;
    const text = header.type === 'directory' ? header.name.replace(/\/$/, '') : header.name;
    const name = text.split('/').slice(rules.leadingParts);
    const oddity = name.length === 0 ? undefined : oddityOf(header, name, kept);
    if (oddity !== undefined && rules.odd === 'refuse')
      throw new ArchiveRefused(`${printable(header.name).slice(0, 200)}: ${oddity}`);
    if (oddity !== undefined || name.length === 0) {
      entry.resume();
      continue;
    }
    if (kept.size >= maxCheckpointEntries)
      throw new ArchiveRefused(`there are more than ${maxCheckpointEntries} entries`);
    leftBytes -= header.size;
    if (leftBytes < 0) throw new ArchiveRefused(`there are more than ${rules.maxBytes} bytes`);
    kept.set(name.join('/'), header.type === 'directory' ? 'directory' : 'file');
    await copy(entry, into, { name: name.join('/'), owner: rules.owner }, signal);
  }
  await feeding;
  into?.finalize();
  return kept.size;
}

/** Why an entry may not be kept; undefined when it may. */
function oddityOf(
  { type, size }: Entry['header'],
  name: readonly string[],
  kept: ReadonlyMap<string, string>,
): string | undefined {
  if (type !== 'file' && type !== 'directory') return `it is a ${type}`;
  if (type === 'directory' && size !== 0) return 'a folder has no content';
  const text = name.join('/');
  if (name.some((part) => part === '' || part === '.' || part === '..')) return 'the name is not plain';
  if (text !== printable(text)) return 'the name is not plain text';
  const isLong = Buffer.byteLength(text) > maxCheckpointNameBytes;
  if (isLong || name.length > maxDepth || name.some((part) => Buffer.byteLength(part) > maxPartBytes))
    return 'the name is too long';
  if (kept.has(text)) return 'it comes twice';
  // The engine would make what is missing for itself, and the container's user could not write there.
  if (name.length > 1 && kept.get(name.slice(0, -1).join('/')) !== 'directory')
    return 'its folder is missing';
  return undefined;
}

async function copy(
  entry: Entry,
  into: Pack | undefined,
  { name, owner }: { readonly name: string; readonly owner: ContainerUser },
  signal: AbortSignal,
): Promise<void> {
  const { mode, mtime, size, type } = entry.header;
  const header = { name, mode: mode & permissionBits, mtime: plainTime(mtime), ...ownership(owner) };
  if (type === 'directory') {
    into?.entry({ ...header, type });
    entry.resume();
  } else if (into === undefined) {
    entry.resume();
  } else {
    // By hand, because a pipeline for each of thousands of small files takes longer than the files.
    const target = into.entry({ ...header, type: 'file', size });
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      if (into.destroyed) throw new Error('the new archive broke off');
      if (!target.write(chunk) && !target.destroyed) await drained(target);
    }
    target.end(undefined);
  }
}
