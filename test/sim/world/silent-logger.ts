import { type Logger, pino } from 'pino';

/** What the product logs is no part of the trace. */
export const silentLogger = pino({ level: 'silent' });

/** As silent, and tells of each error. */
export function loggerThat(onError: () => void): Logger {
  const logger = pino({ level: 'silent' });
  logger.error = onError;
  return logger;
}
