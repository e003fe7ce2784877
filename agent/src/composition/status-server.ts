import { dirname } from 'node:path';
import { waitAtMost } from '@capacloud/waiting/at-most';
import type { Logger } from 'pino';
import type { AgentConfig } from '../host/config.ts';
import { untilDiskTakesIt } from '../host/disk-wait.ts';
import { serveStatus } from '../host/status-socket.ts';

/** Longest wait for the socket of `status` before the session opens. */
const statusWaitMs = 1000;

/** A disk without room for the socket keeps nobody from working: it is made as soon as there is some. */
export async function openStatus(
  { statusSocket }: AgentConfig,
  status: () => Promise<object>,
  parts: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<{ close(): Promise<void> }> {
  const serve = () => serveStatus(statusSocket, status);
  const serving = untilDiskTakesIt(dirname(statusSocket), serve, parts);
  await waitAtMost(statusWaitMs, serving);
  const served = serving.catch((error: unknown) => {
    parts.log.error({ err: error }, 'the socket of status could not be made');
    return undefined;
  });
  return {
    async close() {
      await (await served)?.close();
    },
  };
}
