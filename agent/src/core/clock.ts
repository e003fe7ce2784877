/** Time, brought in by main.ts. */
export interface Clock {
  /** Wall clock, Unix milliseconds. It may jump: never measure with it. */
  nowMs(): number;
  /** Milliseconds since boot, sleep included; never jumps. */
  bootMs(): number;
  readonly bootId: string;
}
