import { ApiError } from '../api-error.ts';
import { UnsafePath } from './output-folder.ts';

/** An archive of outputs that is none, or that holds more than an agent packs. */
export class DamagedArchive extends Error {
  override readonly name = 'DamagedArchive';
}

/** What a single name does to a file system: it is a folder elsewhere in the list, too long, or not representable. */
const localCodes = /^(EEXIST|EILSEQ|EINVAL|EISDIR|ELOOP|ENAMETOOLONG|ENOTDIR|ENOTEMPTY)$/;
const remoteCodes = /^(artifact\.|request\.(not_found|range_invalid)$)/;

/** Whether the failure is one of this file alone: the others are fetched all the same. A full disk, for one, is not. */
export function isUnfit(error: unknown): error is Error {
  if (error instanceof UnsafePath || error instanceof DamagedArchive) return true;
  if (error instanceof ApiError) return remoteCodes.test(error.code);
  if (!(error instanceof Error) || !('code' in error)) return false;
  return typeof error.code === 'string' && localCodes.test(error.code);
}
