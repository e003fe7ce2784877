/** A file that was fetched for an attempt is no longer where it was put. */
export class PlacedFileMissing extends Error {
  readonly code = 'placed_file_missing';
  override readonly name = 'PlacedFileMissing';
}
