import type { UnitReader } from '../input/unit-reader.ts';
import type { Problem } from '../result.ts';
import { isExact } from './as-written.ts';

/** A record's pattern tells which keys its schema is about; the record must be closed to refuse the others. */
export const variableNamePattern = '^[A-Za-z_][A-Za-z0-9_]{0,255}$';

const ownVariables = new Set([
  'CAPACLOUD_TASK_INDEX',
  'CAPACLOUD_TASK_COUNT',
  'CAPACLOUD_TASK_ID',
  'CAPACLOUD_ATTEMPT',
]);

/**
 * Variables that a job may not set, because the agent would drop or overwrite them: better refused at submission than
 * missing on a stranger's machine.
 */
export function checkVariables(names: readonly string[], hasDevices: boolean): readonly Problem[] {
  return names.flatMap((name) => {
    const message = reservedFor(name, hasDevices);
    return message === undefined ? [] : [{ pointer: `/env/${name}`, message }];
  });
}

function reservedFor(name: string, hasDevices: boolean): string | undefined {
  if (ownVariables.has(name)) return 'is set by the agent for each attempt; choose another name';
  if (name.startsWith('NVIDIA_'))
    return 'is set by the agent alone; ask for devices with resources.gpu instead';
  // The vendor's hook would run with them on the host (CVE-2025-23266).
  if (hasDevices && name.startsWith('LD_'))
    return 'may not be set for a job with devices; set it in the command instead, for example with env';
  return undefined;
}

/** The text of each value, or where a number stands that may not be what its author wrote. */
export function readVariables(
  env: Readonly<Record<string, string | number | boolean>>,
  read: UnitReader,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => {
      if (!isExact(value))
        read.problem(
          `/env/${name}`,
          'is a number beyond 9007199254740991, whose last digits readers of JSON change: write it as text, in quotes',
        );
      return [name, String(value)];
    }),
  );
}
