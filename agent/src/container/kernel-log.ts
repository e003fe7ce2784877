import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { KernelEvidence } from './cgroup-evidence.ts';

const recordBytes = 8192;
const maxRecords = 50_000;

/** What one record of the kernel's log says of a container's cgroup. */
export function readKernelRecord(record: string, containerId: string): KernelEvidence {
  const concerns = record.includes(containerId);
  return {
    oomKilled: concerns && record.includes('oom-kill:') && record.includes('task_memcg='),
    pidsExhausted: concerns && record.includes('fork rejected by pids controller'),
  };
}

/**
 * Searches the kernel's log for what happened in a cgroup that is gone: a container that dies at once takes its
 * counters along before anybody reads them. Finds nothing where the agent may not read the log.
 */
export async function searchKernelLog(containerId: string): Promise<KernelEvidence> {
  let found: KernelEvidence = { oomKilled: false, pidsExhausted: false };
  let log: FileHandle;
  try {
    log = await open('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return found;
  }
  try {
    const buffer = Buffer.alloc(recordBytes);
    for (let records = 0; records < maxRecords; records++) {
      const bytesRead = await readRecord(log, buffer);
      if (bytesRead === 0) break;
      const record = readKernelRecord(buffer.toString('latin1', 0, bytesRead), containerId);
      found = {
        oomKilled: found.oomKilled || record.oomKilled,
        pidsExhausted: found.pidsExhausted || record.pidsExhausted,
      };
    }
    return found;
  } finally {
    await log.close();
  }
}

/** Bytes of the next record; 0 at the end of the log, where a read would block. */
async function readRecord(log: FileHandle, buffer: Buffer): Promise<number> {
  for (let tries = 0; tries < 3; tries++) {
    try {
      return (await log.read(buffer, 0, buffer.length, null)).bytesRead;
    } catch (error) {
      // EPIPE: the record was overwritten meanwhile; the next read goes on behind it.
      if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) return 0;
    }
  }
  return 0;
}
