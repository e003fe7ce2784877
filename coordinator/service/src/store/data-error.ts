import { type ErrorCode, errorCatalogue } from '@capacloud/protocol/errors';

/** The data folder cannot be used. Its message is for the person who started the coordinator. */
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  get hint(): string {
    return errorCatalogue[this.code].hint;
  }
}
