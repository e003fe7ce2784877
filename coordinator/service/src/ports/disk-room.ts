/**
 * How much the disk of the data folder still takes. `low`: new jobs are refused, and files were refused before. `full`: what
 * is left is for the log alone, and nothing is placed.
 */
export type DiskLevel = 'ample' | 'low' | 'full';

export interface DiskRoom {
  readonly level: DiskLevel;
  /** Bytes that files may still take; 0 or less where none are taken. */
  readonly fileBytes: number;
  /** Bytes that rows of the database may still take; 0 or less where none are taken. */
  readonly rowBytes: number;
  /** Counts what is about to be written, until the disk is looked at again. */
  take(bytes: number): void;
}
