const gibibyte = 2 ** 30;

/** Where no more than this part of the disk is free, or a gibibyte, new jobs are refused: the log has to go on. */
const lowPart = 8;
export const lowDiskBytes = gibibyte;

export interface DiskMarks {
  /** Below it, artifacts and task logs are refused: before new jobs are, so that files of one account stop nobody's jobs. */
  readonly fileBytes: number;
  /** Below it, new jobs are refused. */
  readonly lowBytes: number;
  /** Below it, nothing is placed. The running attempts then need some 4 KiB each for their ends and receipts. */
  readonly fullBytes: number;
}

/** What stays free of a disk of this size. */
export function diskMarksOf(sizeBytes: number): DiskMarks {
  const lowBytes = Math.min(lowDiskBytes, Math.floor(sizeBytes / lowPart));
  return { fileBytes: Math.floor(lowBytes * 1.5), lowBytes, fullBytes: Math.floor(lowBytes / 2) };
}

/** Frames of the write-ahead log before SQLite moves them into the file. A busy second writes more than SQLite's own 1,000. */
const maxWalFrames = 4000;
const minWalFrames = 250;
const frameBytes = 4096;
/** The write-ahead log gets at most this part of a small disk before it is moved into the file. */
const walPart = 16;

export function walFramesOf(sizeBytes: number): number {
  const part = Math.floor(sizeBytes / walPart / frameBytes);
  return Math.min(maxWalFrames, Math.max(minWalFrames, part));
}

/** What the write-ahead log grows to before it is written from its beginning again. */
export function walBytesOf(sizeBytes: number): number {
  return walFramesOf(sizeBytes) * frameBytes;
}
