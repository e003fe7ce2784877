import { pino } from 'pino';
import type { Config } from '../config/config.ts';
import { startCoordinator } from '../coordinator.ts';
import { FatalDecision } from '../log/fatal-decision.ts';
import { FatalEnds } from '../log/fatal-ends.ts';
import type { StateMachine } from '../log/state-machine.ts';
import { DataError } from '../store/data-error.ts';
import { dataFault } from '../store/data-fault.ts';
import { startWithRoom } from './room-wait.ts';

/** Resolves when the coordinator has stopped in order. A second signal, or a failure, ends the process at once. */
export async function serve(config: Config, version: string, machine?: StateMachine): Promise<void> {
  // Specs and keys are private: whatever the data folder's own mode, its files are the owner's.
  process.umask(0o077);
  const logger = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  const stop = new AbortController();
  const end = (err: unknown): never => {
    // Where the disk is to blame, the place in the program helps nobody.
    const fault = err instanceof DataError ? err : dataFault(err, config.dataDir);
    const about =
      fault === undefined ? { err } : { code: fault.code, reason: fault.message, hint: fault.hint };
    logger.fatal(about, 'the coordinator must not go on');
    if (fault === undefined) noteEnd(config.dataDir, err);
    process.exit(1);
  };
  process.on('uncaughtException', end);
  const onSignal = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(1);
    logger.info({ signal }, 'stopping');
    stop.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const start = () =>
    startCoordinator({
      config,
      version,
      logger,
      signal: stop.signal,
      // Nothing may be said that is not durable, so nothing is said at all.
      onFatal: end,
      ...(machine === undefined ? {} : { machine }),
    });
  const coordinator = await startWithRoom(start, config.dataDir, logger, stop.signal);
  if (coordinator === undefined) return;
  logger.info(
    { url: coordinator.url, name: config.name, dataDir: config.dataDir },
    'the coordinator is ready',
  );
  await aborted(stop.signal);
  await coordinator.stop();
  logger.info('stopped');
}

/** For the next start; where that cannot be written, it knows of nothing. */
function noteEnd(dataDir: string, err: unknown): void {
  const reason = err instanceof Error ? err.message : String(err);
  const suspicion = err instanceof FatalDecision ? err.suspicion : undefined;
  try {
    const end = { at: Date.now(), reason };
    new FatalEnds(dataDir).note(suspicion === undefined ? end : { ...end, suspicion });
  } catch {
    // The log of the process has it.
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
