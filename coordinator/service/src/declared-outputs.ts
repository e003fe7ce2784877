import { posix } from 'node:path';
import { isFilePath } from '@capacloud/protocol/job/job-mounts';
import type { JobSpec } from '@capacloud/protocol/job/job-spec';
import { packedOutputPath } from '@capacloud/protocol/wire/outputs';
import type { OutputLink } from '@capacloud/protocol/wire/outputs-schema';
import { emptyFoldersProtocol, keptOutputsProtocol } from '@capacloud/protocol/wire/protocol-versions';
import type { Receipt } from '@capacloud/protocol/wire/receipt';

/** Of an archive, for each file in it: its name and headers. */
const entryOverheadBytes = 8 * 1024;

type Output = JobSpec['outputs'][number];
type Named = Pick<Receipt, 'emptyFolders' | 'links' | 'outputs'>;

/** How a receipt contradicts what its job declared. */
export type OutputFault = 'undeclared' | 'too_large' | 'missing';

/** Whether all that a receipt names is what the job asked for: where it lies, and how large it is. */
export function faultOfNamed(
  { outputs, links = [], emptyFolders = [] }: Named,
  declared: readonly Output[],
): OutputFault | undefined {
  const places = declared.map(plainPath);
  const isDeclared = (path: string): boolean => places.some((place) => holds(place, path));
  const named = [...outputs.filter(({ packed }) => packed === undefined), ...links];
  if (!named.every(({ path }) => isPlainPath(path) && isDeclared(path))) return 'undeclared';
  if (!links.every((link) => !link.target.startsWith('/') && isDeclared(endOf(link)))) return 'undeclared';
  if (!emptyFolders.every((path) => places.includes(path))) return 'undeclared';
  const archives = outputs.filter(({ packed }) => packed !== undefined);
  if (archives.length > 1 || archives.some(({ path }) => path !== packedOutputPath)) return 'undeclared';
  if (archives.length === 1 && declared.length === 0) return 'undeclared';
  return areTooLarge(outputs, declared) ? 'too_large' : undefined;
}

/** Whether a success names each output that has to be there. `protocol` is that of the agent's session. */
export function lacksDeclared(
  { outputs, links = [], emptyFolders = [] }: Named,
  declared: readonly Output[],
  protocol: number,
): boolean {
  const files = outputs.filter(({ packed }) => packed === undefined).map(({ path }) => path);
  const isArchived = archivedBeyond(files, outputs.length > files.length, protocol);
  const isThere = (place: string): boolean => isArchived(place) || files.some((path) => holds(place, path));
  const absent = declared.filter((output) => output.optional !== true && !isThere(plainPath(output)));
  if (absent.length === 0) return false;
  // A link is worth what it leads to.
  const sound = links.filter((link) => isThere(endOf(link)) || emptyFolders.includes(endOf(link)));
  return absent.some((output) => {
    if (sound.some(({ path }) => holds(plainPath(output), path))) return false;
    if (protocol >= emptyFoldersProtocol) return !emptyFolders.includes(plainPath(output));
    // Agents before that have no word for a folder without a file, and those before keptOutputsProtocol took none.
    return protocol < keptOutputsProtocol || isFilePath(output.path);
  });
}

/**
 * Whether a file at or below a path may lie in the archive; which do is seen when it is unpacked. Agents name files in the order of
 * their paths and pack the rest, so what comes before the last named file is not in the archive.
 */
function archivedBeyond(
  files: readonly string[],
  hasArchive: boolean,
  protocol: number,
): (place: string) => boolean {
  if (!hasArchive) return () => false;
  if (protocol < keptOutputsProtocol) return () => true;
  const last = files.reduce((a, b) => (a < b ? b : a), '');
  // `0` is the character after `/`: with it, a path sorts right behind all that lies below it.
  return (place) => last !== '' && `${place}0` > last;
}

function areTooLarge(outputs: Receipt['outputs'], declared: readonly Output[]): boolean {
  let bytes = 0;
  let overhead = 0;
  for (const { packed, path, sizeBytes } of outputs) {
    bytes += sizeBytes;
    if (packed !== undefined) overhead += (packed + 1) * entryOverheadBytes;
    else if (!declared.some((output) => holds(plainPath(output), path) && sizeBytes <= output.maxBytes))
      return true;
  }
  return bytes > declared.reduce((sum, { maxBytes }) => sum + maxBytes, overhead);
}

const plainPath = ({ path }: Output): string => path.replace(/\/+$/, '');

function holds(place: string, path: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}

/** Where a link leads; its target is relative to its folder. */
function endOf({ path, target }: OutputLink): string {
  return posix.resolve(posix.dirname(path), target);
}

function isPlainPath(path: string): boolean {
  return path
    .split('/')
    .every((part, index) => (index === 0 ? part === '' : part !== '' && part !== '.' && part !== '..'));
}
