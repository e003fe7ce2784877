/** A setting that cannot be meant, or a proxy that does not let us through. The message holds no password. */
export class TransferError extends Error {
  override readonly name = 'TransferError';
  readonly code: 'config.invalid' | 'proxy_failed';
  readonly hint: string;

  constructor(code: TransferError['code'], message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}
