/** What a container engine says of itself, as far as it decides whether tasks can run. */
export interface EngineFacts {
  readonly product: 'Docker' | 'Podman';
  readonly version: string;
  readonly runtimes: readonly string[];
  readonly osType: string;
  readonly storageDriver: string;
  /** Where it keeps images and containers, as a path of its own host. */
  readonly rootDir: string | undefined;
  readonly cgroupVersion: string;
  /** Limits of containers that its kernel does not enforce. */
  readonly missingLimits: readonly string[];
  /** The profile of containers that bring none: default, unconfined or a file. Undefined: there are no filters at all. */
  readonly seccomp: string | undefined;
  /** The build of runc, with the revision of a distribution where it is told. */
  readonly runc: string | undefined;
  readonly defaultRuntime: string | undefined;
}

/** The engine, as the checks of the doctor see it. Every call has a deadline; they throw EngineUnavailable. */
export interface EngineExam {
  facts(signal: AbortSignal): Promise<EngineFacts>;
  /** Runs a container with the GPUs for a moment; gives what the engine said where it cannot. */
  tryGpus(devices: readonly string[], signal: AbortSignal): Promise<string | undefined>;
}
