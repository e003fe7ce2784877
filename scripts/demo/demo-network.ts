import type { Client } from '@capacloud/client/client';
import type { Checkpoint } from '@capacloud/protocol/log/checkpoint';
import type { LocalAgent, LocalCoordinator } from '@capacloud/rig/network/local-network';

/** What the demo has started, and its consumer's access to it. */
export interface DemoNetwork {
  readonly coordinator: LocalCoordinator;
  readonly agents: readonly LocalAgent[];
  readonly client: Client;
  readonly secret: string;
  /** The signed head of the log before any work. */
  readonly firstHead: Checkpoint;
}
