import { type Check, type Finding, finding, type Meeting, messageOf } from './finding.ts';

const maxSkewMs = 60_000;

/** A session begins with a WebSocket, so that is what is opened: HTTP alone says nothing about it. */
export const coordinatorCheck: Check = async ({ config, meetCoordinator, proxy }, signal) => {
  const way = proxy === undefined ? '' : ` through ${proxy}`;
  const should = `${config.coordinator} opens a WebSocket${way} and says who it is`;
  let met: Meeting | undefined;
  try {
    met = await meetCoordinator(signal);
  } catch (error) {
    return [finding('coordinator', false, messageOf(error), should, mendOf(error))];
  }
  if (met === undefined) return [];
  return judgeMeeting(met, config.coordinatorName, should, Date.now());
};

function mendOf(error: unknown): string {
  if (error instanceof Error && 'hint' in error && typeof error.hint === 'string') return error.hint;
  const message = messageOf(error);
  if (/Unexpected server response|Unexpected upgrade|Invalid (Sec|Upgrade)/i.test(message))
    return 'Something answers HTTP there and opens no WebSocket: check the path of the URL, and let a reverse proxy pass Upgrade and Connection on.';
  if (/certificate|self.signed|issuer/i.test(message))
    return 'Name the certificate of its authority with ca_file, or let the coordinator use a public one.';
  return 'Check the URL, DNS, the firewall and the proxy.';
}

export function judgeMeeting(
  { coordinator, nowMs, protocol }: Meeting,
  expected: string | undefined,
  should: string,
  hereMs: number,
): readonly Finding[] {
  const skewMs = Math.abs(hereMs - nowMs);
  const isExpected = expected === undefined || expected === coordinator;
  return [
    protocol === undefined
      ? finding(
          'coordinator',
          false,
          `${coordinator} speaks no protocol of this release`,
          should,
          'Update the agent.',
        )
      : finding(
          'coordinator',
          isExpected,
          isExpected ? coordinator : `it calls itself ${coordinator}, not ${expected}`,
          should,
          'Check the URL, or set coordinator_name to the new name.',
        ),
    finding(
      'clock',
      skewMs <= maxSkewMs,
      `${Math.round(skewMs / 1000)} s apart`,
      `at most ${maxSkewMs / 1000} s apart from the coordinator's`,
      'Let the clock be set: timedatectl set-ntp true.',
    ),
  ];
}
