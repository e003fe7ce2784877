import { pino } from 'pino';

/** What the product logs is no part of the trace. */
export const silentLogger = pino({ level: 'silent' });
