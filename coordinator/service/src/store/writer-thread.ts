import { parentPort, workerData } from 'node:worker_threads';
import { DataError } from './data-error.ts';
import type { WriterReply } from './write-message.ts';
import { serveWrites } from './writer-service.ts';

if (parentPort === null) throw new Error('the writer runs in a worker thread');
try {
  serveWrites(parentPort, (workerData as { readonly path: string }).path);
} catch (error) {
  if (!(error instanceof DataError)) throw error;
  parentPort.postMessage({ kind: 'refused', code: error.code, message: error.message } satisfies WriterReply);
}
