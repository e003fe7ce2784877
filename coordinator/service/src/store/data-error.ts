import { type ErrorCode, errorCatalogue } from '@capacloud/protocol/catalogue/errors';

/** The data folder cannot be used. Its message is for the person who started the coordinator. */
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly code: ErrorCode;
  readonly hint: string;
  /** The disk has no room: the same succeeds once it has. */
  readonly isFull: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    options: ErrorOptions & { readonly hint?: string; readonly isFull?: boolean } = {},
  ) {
    super(message, options);
    this.code = code;
    this.isFull = options.isFull ?? false;
    this.hint = options.hint ?? errorCatalogue[code].hint;
  }
}
