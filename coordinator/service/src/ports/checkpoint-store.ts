/** Signed checkpoints that were given out. */
export interface CheckpointStore {
  latest(): { readonly size: number; readonly note: string } | undefined;
  /** Resolves once durable. Saving a size again does nothing. */
  save(size: number, note: string, at: number): Promise<void>;
}
