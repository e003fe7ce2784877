/** How many nodes that are not known may join within an hour. Each is an entry of the log for ever. */
export interface JoinLimits {
  /** From one IPv4 address or IPv6 /64. As many of its nodes may be connected at once that were never paid. */
  readonly addressJoinsPerHour: number;
  /** From one IPv4 /24 or IPv6 /48. */
  readonly networkJoinsPerHour: number;
  readonly allJoinsPerHour: number;
}

/** A data centre with a thousand nodes behind one address joins at once, and once more after an outage. */
export const defaultJoinLimits: JoinLimits = {
  addressJoinsPerHour: 2000,
  networkJoinsPerHour: 5000,
  allJoinsPerHour: 20_000,
};
