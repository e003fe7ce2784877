import type { Ruleset } from '@capacloud/core/contract/ruleset';

/** The rules as the durable log has them. */
export interface GatewayRules {
  current: Ruleset;
}
