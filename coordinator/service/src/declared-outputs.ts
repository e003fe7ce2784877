import { isFilePath } from '@capacloud/protocol/job-mounts';
import type { JobSpec } from '@capacloud/protocol/job-spec';
import { packedOutputPath } from '@capacloud/protocol/outputs';
import { emptyFoldersProtocol, keptOutputsProtocol } from '@capacloud/protocol/protocol-versions';
import type { Receipt } from '@capacloud/protocol/receipt';

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
  const isDeclared = (path: string): boolean => declared.some((output) => holds(output, path));
  const named = [...outputs.filter(({ packed }) => packed === undefined), ...links];
  if (!named.every(({ path }) => isPlainPath(path) && isDeclared(path))) return 'undeclared';
  if (!emptyFolders.every((path) => declared.some((output) => plainPath(output) === path)))
    return 'undeclared';
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
  // Which files lie in an archive is seen when it is unpacked.
  if (outputs.some(({ packed }) => packed !== undefined)) return false;
  const named = [...outputs, ...links].map(({ path }) => path);
  return declared.some((output) => {
    if (output.optional === true || named.some((path) => holds(output, path))) return false;
    if (protocol >= emptyFoldersProtocol) return !emptyFolders.includes(plainPath(output));
    // Agents before that have no word for a folder without a file, and those before keptOutputsProtocol took none.
    return protocol < keptOutputsProtocol || isFilePath(output.path);
  });
}

function areTooLarge(outputs: Receipt['outputs'], declared: readonly Output[]): boolean {
  let bytes = 0;
  let overhead = 0;
  for (const { packed, path, sizeBytes } of outputs) {
    bytes += sizeBytes;
    if (packed !== undefined) overhead += (packed + 1) * entryOverheadBytes;
    else if (!declared.some((output) => holds(output, path) && sizeBytes <= output.maxBytes)) return true;
  }
  return bytes > declared.reduce((sum, { maxBytes }) => sum + maxBytes, overhead);
}

const plainPath = ({ path }: Output): string => path.replace(/\/+$/, '');

function holds(output: Output, path: string): boolean {
  const folder = plainPath(output);
  return path === folder || path.startsWith(`${folder}/`);
}

function isPlainPath(path: string): boolean {
  return path
    .split('/')
    .every((part, index) => (index === 0 ? part === '' : part !== '' && part !== '.' && part !== '..'));
}
