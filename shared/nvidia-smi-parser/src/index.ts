import { parseDocument, refuse } from './document.ts';
import { childOf, childrenOf } from './element.ts';
import { readLogFaults } from './fault.ts';
import { readGpu } from './gpu.ts';
import { readCount, readText } from './reading.ts';
import type { NvidiaSmiResult } from './report.ts';

/** @public */
export type { ListedGpu, ListedSlice } from './list.ts';
export { parseNvidiaSmiList } from './list.ts';
/** @public */
export type {
  Failure,
  FailureCode,
  Fault,
  GpuProcess,
  MigDevice,
  NvidiaSmiGpu,
  NvidiaSmiReport,
  NvidiaSmiResult,
} from './report.ts';

/** No machine has as many; each costs a record. */
const maxGpus = 256;

/** A driver's version has a digit in it; anything else printed there is not one. */
function readVersion(...texts: readonly (string | undefined)[]): string | undefined {
  return texts.find((text) => text !== undefined && /^[\w.+-]*\d[\w.+-]*$/.test(text));
}

/**
 * Parses the standard output of `nvidia-smi -q -x`, of any driver.
 *
 * Never throws. Text before and after the XML is allowed; of several reports the first is read.
 * @param xml at most 8 MiB
 */
export function parseNvidiaSmi(xml: string): NvidiaSmiResult {
  // Callers without types hand over the Buffer of a child process.
  if (typeof xml !== 'string') {
    return refuse('INVALID_INPUT', 'The input is not a string.', 'Decode it first: buffer.toString("utf8").');
  }
  const document = parseDocument(xml);
  if (!document.ok) return document;
  const log = childOf(document.root, 'nvidia_smi_log');
  const gpus = childrenOf(log, 'gpu');
  if (gpus.length > maxGpus) {
    const hint = 'Pass the output of one run of nvidia-smi.';
    return refuse('INPUT_TOO_LARGE', `The report has more than ${maxGpus} GPUs.`, hint);
  }
  const schema = /nvsmi_device_v(\d{1,3})\.dtd/.exec(document.before)?.[1];
  return {
    ok: true,
    value: {
      schemaVersion: schema === undefined ? undefined : Number(schema),
      timestamp: readText(log, 'timestamp'),
      // kmd_version and cuda_umd_version are to replace the first two (driver 610).
      driverVersion: readVersion(readText(log, 'driver_version'), readText(log, 'kmd_version')),
      cudaVersion: readVersion(readText(log, 'cuda_version'), readText(log, 'cuda_umd_version')),
      attachedGpus: readCount(log, 'attached_gpus'),
      gpus: gpus.map(readGpu),
      faults: readLogFaults(log, `${document.before}\n${document.after}`),
    },
  };
}
