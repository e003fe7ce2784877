import { parentPort, workerData } from 'node:worker_threads';
import { DataError } from './data-error.ts';
import { dataFault } from './data-fault.ts';
import type { WriterReply } from './write-message.ts';
import { serveWrites } from './writer-service.ts';

if (parentPort === null) throw new Error('the writer runs in a worker thread');
const { path } = workerData as { readonly path: string };
try {
  serveWrites(parentPort, path);
} catch (error) {
  const fault = error instanceof DataError ? error : dataFault(error, path);
  if (fault === undefined) throw error;
  const { code, message, hint, isFull } = fault;
  parentPort.postMessage({ kind: 'refused', code, message, hint, isFull } satisfies WriterReply);
}
