import type { Refusal } from '@capacloud/protocol/result';

const fullCodes: readonly unknown[] = ['ENOSPC', 'EDQUOT'];
/** What a file system says that cannot be written now; a connection that breaks off says none of these. */
const failureCodes: readonly unknown[] = [
  'EACCES',
  'EBUSY',
  'EFBIG',
  'EIO',
  'EISDIR',
  'EMFILE',
  'ENFILE',
  'ENODEV',
  'ENOENT',
  'ENOTDIR',
  'ENXIO',
  'EPERM',
  'EROFS',
  'ESTALE',
];

/** The refusal where the store's own disk is at fault, or a chunk ended early; undefined for any other error. */
export function storeFailure(error: unknown): Refusal | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (fullCodes.includes(code))
    return { code: 'artifact.store_full', message: 'The disk of the coordinator is full.' };
  if (failureCodes.includes(code))
    return {
      code: 'artifact.store_failed',
      message: `The artifact store of the coordinator cannot be written (${String(code)}).`,
    };
  // Its connection is gone, or a later request for the same upload has taken over from it.
  if (code === 'ERR_STREAM_PREMATURE_CLOSE')
    return { code: 'artifact.offset_mismatch', message: 'The rest of the chunk did not come.' };
  return undefined;
}
