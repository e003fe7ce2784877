import type { Device } from '@capacloud/protocol/capacity/resources';
import { toShownText } from '@capacloud/protocol/input/plain-text';
import type { ReportedDevice } from './device-report.ts';
import type { Verdict } from './gpu-verdict.ts';

/** A device and how it did lately. */
export interface DeviceHistory {
  readonly device: Device;
  /** Observations in a row that were bad, or good. */
  readonly bad: number;
  readonly good: number;
}

/** Bad observations in a row that turn suspicion into quarantine; at the probe's pace that is about 90 seconds. */
const quarantineAfter = 3;
/** Good ones in a row before a suspect device, and one in quarantine, counts as healthy again. */
const trustSuspectAfter = 3;
const trustQuarantinedAfter = 20;

/** The histories after a report. A device that is not in it any more has vanished, and is bad by that. */
export function observeDevices(
  previous: readonly DeviceHistory[],
  reported: readonly ReportedDevice[],
): readonly DeviceHistory[] {
  const seen = new Map(reported.map((entry) => [entry.device.id, entry]));
  const known = new Set(previous.map((history) => history.device.id));
  const updated = previous.map((history) => {
    const now = seen.get(history.device.id);
    if (now === undefined)
      return judge(history, history.device, {
        severity: 'bad',
        reason: 'The driver does not list it any more.',
      });
    // A sick GPU can print less about itself than it did.
    const memoryBytes = now.device.memoryBytes || history.device.memoryBytes;
    return judge(history, { ...now.device, memoryBytes }, now.verdict);
  });
  const added = [...seen.values()].filter((entry) => !known.has(entry.device.id));
  return [...updated, ...added.map(({ device, verdict }) => judge(undefined, device, verdict))];
}

/** The histories after the driver as a whole gave no answer. */
export function observeSilence(previous: readonly DeviceHistory[], error: string): readonly DeviceHistory[] {
  return previous.map((history) => judge(history, history.device, { severity: 'bad', reason: error }));
}

function judge(history: DeviceHistory | undefined, device: Device, verdict: Verdict): DeviceHistory {
  const before = history?.device.health ?? 'healthy';
  const { reason: _, ...plain } = device;
  if (verdict.severity === 'good') {
    const good = (history?.good ?? 0) + 1;
    const needed =
      before === 'quarantined' ? trustQuarantinedAfter : before === 'suspect' ? trustSuspectAfter : 0;
    if (good >= needed) return { device: { ...plain, health: 'healthy' }, bad: 0, good };
    const reason = history?.device.reason;
    return {
      device: { ...plain, health: before, ...(reason === undefined ? {} : { reason }) },
      bad: 0,
      good,
    };
  }
  const bad = (history?.bad ?? 0) + 1;
  const quarantined = verdict.severity === 'fatal' || before === 'quarantined' || bad >= quarantineAfter;
  const reason = toShownText(toShownText(verdict.reason ?? 'It is faulty.').slice(0, 200));
  return { device: { ...plain, health: quarantined ? 'quarantined' : 'suspect', reason }, bad, good: 0 };
}
