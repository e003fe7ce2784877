import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { EngineError } from '../engine/engine-error.ts';
import { argumentsOf, waitUntil } from './process-table.ts';

const lockTimeoutMs = 180_000;

/**
 * Runs `work` while no other process holds the lock file. A lock whose owner is gone is taken over. The wait
 * is bounded; throws EngineError `lock_timeout`.
 */
export async function withFileLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const locked = await waitUntil(() => tryLock(path), lockTimeoutMs, signal);
  if (!locked) {
    throw new EngineError(
      'lock_timeout',
      `another run keeps ${path}`,
      'if no other run is alive, remove that file',
    );
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function tryLock(path: string): boolean {
  const mine = `${path}.${process.pid}`;
  // Linked into place whole, so that no reader ever sees a lock without its owner.
  writeFileSync(mine, String(process.pid));
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    rmSync(mine, { force: true });
  }
  try {
    if (argumentsOf(Number(readFileSync(path, 'utf8'))) !== undefined) return false;
    const aside = `${path}.stale.${process.pid}`;
    renameSync(path, aside);
    rmSync(aside, { force: true });
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  return false;
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
