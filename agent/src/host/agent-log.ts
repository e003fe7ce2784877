import { type Logger, pino } from 'pino';
import { isStorageFault } from '../core/storage-fault.ts';
import { failureOf, failureText } from './failure.ts';

/** Lines that wait while standard output takes none, as a file on a full disk; what goes beyond is dropped. */
export const maxWaitingLogBytes = 2 ** 20;

/** The agent's own log, on standard output. That it cannot be written must not end the agent. */
export function openAgentLog(level: string): Logger {
  const output = pino.destination({ dest: 1, sync: true, maxLength: maxWaitingLogBytes });
  // It tries again with the next line.
  output.on('error', () => undefined);
  return pino({ level }, output);
}

/**
 * The last net. Handlers and timers catch what they do, and a disk that takes no writes is met there; where one was missed,
 * or a library has one of its own, the containers must not lose their agent for it. Any other error that nobody caught is
 * a fault of the agent, and ends it as before.
 */
export function surviveStorageFaults(log: Logger): void {
  process.on('uncaughtException', (error) => {
    if (isStorageFault(error)) {
      log.error({ err: error }, 'the disk takes no writes, and something that needed it gave up');
      return;
    }
    log.fatal({ err: error }, 'the agent met an error of its own');
    process.stderr.write(failureText(failureOf(error)));
    process.exit(1);
  });
}
