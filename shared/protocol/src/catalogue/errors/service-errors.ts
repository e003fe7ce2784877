import { type ErrorEntry, entry } from './error-entry.ts';

/** Codes about the service itself. */
export const serviceErrors = {
  'service.draining': entry(503, 1012, true, 'The coordinator is shutting down', 'Try again in a moment.'),
  'service.overloaded': entry(
    503,
    1013,
    true,
    'The coordinator is overloaded',
    'Try again after the time in Retry-After.',
  ),
  'service.disk_low': entry(
    507,
    1013,
    true,
    'The disk of the coordinator is low',
    'Try again later: the operator has to make room. What runs goes on meanwhile.',
  ),
  'service.internal': entry(500, 1011, true, 'Internal error', 'Report it with the request id.'),
  'log.damaged': entry(
    500,
    1011,
    false,
    'The log is damaged',
    'Do not start on it: restore the data folder from a backup.',
  ),
  'log.in_use': entry(
    500,
    1011,
    true,
    'Another coordinator uses the data folder',
    'Stop the other coordinator, or point data_dir to another folder.',
  ),
  'log.foreign': entry(
    500,
    1011,
    false,
    'The data folder belongs to another program or a newer release',
    'Point data_dir to an empty folder or use the release that wrote it.',
  ),
  'log.unavailable': entry(
    500,
    1011,
    false,
    'The data folder cannot be read or written',
    'Look at the rights of the data folder and at the room on its disk.',
  ),

  'config.invalid': entry(
    422,
    4400,
    false,
    'The configuration is not valid',
    'Mend the settings that are listed.',
  ),
} as const satisfies Record<string, ErrorEntry>;
