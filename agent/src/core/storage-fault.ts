/** What the operating system says of a disk that takes no writes now and may take them later. */
const systemCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS']);
/** SQLite's words for the same, and for a file that a backup holds. Its codes have endings, as SQLITE_IOERR_WRITE. */
const sqliteCodes = /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|BUSY|LOCKED|PROTOCOL)/;

/**
 * Whether something failed because the disk takes no writes: it is full, over its quota, mounted read-only, or fails. Such
 * a failure says nothing of the work that met it, and passes when the owner has mended the disk.
 */
export function isStorageFault(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++) {
    const code = 'code' in cause ? cause.code : undefined;
    if (typeof code === 'string' && (systemCodes.has(code) || sqliteCodes.test(code))) return true;
  }
  return false;
}

/** One line about it, for the owner. */
export function storageFaultText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0]?.slice(0, 200) ?? '';
}
