import { childOf, type Element, entriesOf, textOf } from './element.ts';
import { isFailureText, readFlag, readText } from './reading.ts';
import type { Fault } from './report.ts';

/** A GPU that is lost prints its error in every field; the first few dozen say enough. */
const maxFaults = 64;
const maxTextLength = 200;

// Text that programs choose is no statement of the driver about the GPU.
const notReadings = new Set(['processes', 'accounted_processes', 'supported_clocks']);

// Lines around the XML may be any program's, so only what cannot mean anything else counts.
const aboutGpu =
  /gpu is lost|gpu is inaccessible|gpu requires reset|fallen off the bus|unable to determine the device handle|inforom is corrupted/i;

function collect(element: Element, path: string, faults: Fault[]): void {
  for (const [name, value] of entriesOf(element)) {
    if (notReadings.has(name)) continue;
    const here = path === '' ? name : `${path}.${name}`;
    for (const sibling of Array.isArray(value) ? value : [value]) {
      if (faults.length >= maxFaults) return;
      const text = textOf(sibling);
      if (isFailureText(text)) faults.push({ path: here, text });
      collect(sibling, here, faults);
    }
  }
}

/** Statements that the GPU needs help, printed as ordinary values. */
function collectStatements(gpu: Element, faults: Fault[]): void {
  const action = readText(gpu, 'gpu_recovery_action');
  if (action !== undefined && action.toLowerCase() !== 'none') {
    faults.push({ path: 'gpu_recovery_action', text: action.slice(0, maxTextLength) });
  }
  for (const path of [
    ['gpu_reset_status', 'reset_required'],
    ['remapped_rows', 'remapped_row_failure'],
    ['ecc_errors', 'unrepairable_memory'],
  ]) {
    if (readFlag(gpu, ...path) === true) faults.push({ path: path.join('.'), text: 'Yes' });
  }
}

export function readGpuFaults(gpu: Element): readonly Fault[] {
  const faults: Fault[] = [];
  const own = textOf(gpu);
  if (isFailureText(own)) faults.push({ path: '', text: own });
  collectStatements(gpu, faults);
  collect(gpu, '', faults);
  return faults;
}

/** Faults among the log's own fields and in the lines around the XML. */
export function readLogFaults(log: Element, surroundings: string): readonly Fault[] {
  const faults: Fault[] = [];
  for (const name of ['driver_version', 'cuda_version', 'attached_gpus']) {
    const text = textOf(childOf(log, name));
    if (isFailureText(text)) faults.push({ path: name, text });
  }
  for (const line of surroundings.split('\n')) {
    if (faults.length >= maxFaults) break;
    const text = line.trim().slice(0, maxTextLength);
    if (aboutGpu.test(text)) faults.push({ path: '', text });
  }
  return faults;
}
