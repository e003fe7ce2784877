/** One rule of a port, which every implementation keeps: the real ones and those of the simulator alike. */
export interface PortCase<Rig> {
  readonly rule: string;
  /** Throws where the implementation breaks the rule. */
  readonly check: (rig: Rig) => void | Promise<void>;
}
