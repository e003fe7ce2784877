import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, type Pack, pack } from 'tar-stream';
import { requireCommand } from '../programs/command.ts';

type EntryHeader = Partial<Header> & Pick<Header, 'name'>;

/** Merged-usr: these top-level folders are links into /usr, as on a Debian system of today. */
const mergedDirs = ['bin', 'sbin', 'lib', 'lib64'] as const;

export type RootfsEntry =
  | { readonly type: 'directory'; readonly path: string; readonly mode?: number; readonly uid?: number }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }
  | { readonly type: 'file'; readonly path: string; readonly mode?: number; readonly content: string }
  | { readonly type: 'copy'; readonly path: string; readonly mode?: number; readonly source: string };

interface RootfsRequest {
  readonly debs: readonly string[];
  /** Paths without a leading slash; an entry of a package that is one of them or below one is left out. */
  readonly exclude: readonly string[];
  /** Added after the packages, and in their stead where a package has the same path. */
  readonly entries: readonly RootfsEntry[];
  readonly file: string;
  readonly signal: AbortSignal;
}

/**
 * Writes the root file system that the packages make, as one tar archive. Nothing is unpacked on the
 * disk, so owners and modes survive without root. Maintainer scripts do not run.
 */
export async function writeRootfsTar({ debs, exclude, entries, file, signal }: RootfsRequest): Promise<void> {
  const archive = pack();
  const written = pipeline(archive, createWriteStream(file), { signal });
  const filled = fill(archive, { debs, exclude, entries, signal });
  filled.catch((error: unknown) =>
    archive.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  // The first to fail says why: a destroyed archive fails the write as well, at which nobody looks then.
  written.catch(() => undefined);
  await filled;
  await written;
}

async function fill(archive: Pack, request: Omit<RootfsRequest, 'file'>): Promise<void> {
  const { debs, exclude, entries, signal } = request;
  const seen = new Set<string>([...mergedDirs, ...entries.map((entry) => entry.path)]);
  await addEntry(archive, { name: 'usr', type: 'directory', mode: 0o755 });
  seen.add('usr');
  for (const dir of mergedDirs) {
    await addEntry(archive, { name: `usr/${dir}`, type: 'directory', mode: 0o755 });
    seen.add(`usr/${dir}`);
    await addEntry(archive, { name: dir, type: 'symlink', linkname: `usr/${dir}` });
  }
  const skip = (path: string): boolean =>
    path === '' ||
    seen.has(path) ||
    exclude.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
  for (const deb of debs) await addPackage(archive, deb, { skip, seen, signal });
  for (const entry of entries) await addOwnEntry(archive, entry);
  archive.finalize();
}

async function addPackage(
  archive: Pack,
  deb: string,
  { skip, seen, signal }: { skip: (path: string) => boolean; seen: Set<string>; signal: AbortSignal },
): Promise<void> {
  await requireCommand({
    argv: ['dpkg-deb', '--fsys-tarfile', deb],
    hint: 'delete the folder .cache and try again; dpkg-deb comes with Debian and Ubuntu',
    signal,
    onStdout: async (stdout) => {
      const reader = extract();
      const read = pipeline(stdout, reader, { signal });
      const copied = (async () => {
        for await (const entry of reader) {
          const { header } = entry;
          const name = mergedPath(header.name);
          if (skip(name)) {
            entry.resume();
            continue;
          }
          seen.add(name);
          const copy: EntryHeader = { ...header, name };
          if (header.type === 'link' && header.linkname) copy.linkname = mergedPath(header.linkname);
          if (header.type === 'file') await pipeline(entry, archive.entry(copy));
          else {
            await addEntry(archive, copy);
            entry.resume();
          }
        }
      })();
      await Promise.all([read, copied]);
    },
  });
}

/** './bin/x' and 'bin/x/' become 'usr/bin/x'. */
function mergedPath(name: string): string {
  const path = name
    .replace(/^\.?\/+/, '')
    .replace(/^\.$/, '')
    .replace(/\/+$/, '');
  const [top = ''] = path.split('/', 1);
  return (mergedDirs as readonly string[]).includes(top) ? `usr/${path}` : path;
}

function addEntry(archive: Pack, header: EntryHeader, content?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry({ uid: 0, gid: 0, mtime: new Date(0), ...header }, content ?? '', (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

async function addOwnEntry(archive: Pack, entry: RootfsEntry): Promise<void> {
  switch (entry.type) {
    case 'directory':
      return addEntry(archive, {
        name: entry.path,
        type: 'directory',
        mode: entry.mode ?? 0o755,
        uid: entry.uid ?? 0,
        gid: entry.uid ?? 0,
      });
    case 'symlink':
      return addEntry(archive, { name: entry.path, type: 'symlink', linkname: entry.target });
    case 'file':
      return addEntry(archive, { name: entry.path, type: 'file', mode: entry.mode ?? 0o644 }, entry.content);
    case 'copy': {
      const { size } = await stat(entry.source);
      const header: EntryHeader = {
        name: entry.path,
        type: 'file',
        mode: entry.mode ?? 0o644,
        uid: 0,
        gid: 0,
        size,
        mtime: new Date(0),
      };
      return pipeline(createReadStream(entry.source), archive.entry(header));
    }
    default:
      return entry satisfies never;
  }
}

/** Reads a text file that sits beside this module. */
export function readBeside(name: string): Promise<string> {
  return readFile(new URL(name, import.meta.url), 'utf8');
}
