export declare class FetchError extends Error {
  readonly hint: string;
  constructor(message: string, hint: string);
}

export declare function fetchVerified(request: {
  readonly name: string;
  readonly version: string;
  /** `name@version` → `sha512-…`, as registries write it. */
  readonly hashes: Readonly<Record<string, string>> | undefined;
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
}): string;
