export type EngineErrorCode =
  | 'docker_host_unusable'
  | 'engine_forbidden'
  | 'not_linux'
  | 'not_root'
  | 'not_debian'
  | 'cgroups_missing'
  | 'iptables_missing'
  | 'install_failed'
  | 'program_missing'
  | 'dockerd_failed'
  | 'lock_timeout';

/** Why there is no Docker engine, and what a person can do about it. */
export class EngineError extends Error {
  readonly code: EngineErrorCode;
  readonly hint: string;

  constructor(code: EngineErrorCode, message: string, hint: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'EngineError';
    this.code = code;
    this.hint = hint;
  }
}
