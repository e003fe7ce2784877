import type { RuntimeOwner } from '../engine/attempt-names.ts';
import type { ImageOptions } from '../images/open-images.ts';
import type { ContainerPolicy } from './container-profile.ts';
import type { TakeUid } from './task-user.ts';

export interface DockerRuntimeOptions extends ImageOptions {
  readonly socketPath: string;
  readonly owner: RuntimeOwner;
  readonly policy: ContainerPolicy;
  readonly takeUid: TakeUid;
  /** memory: a sized tmpfs. loop: a file system in a file; only for an agent that is root on the engine's host. */
  readonly scratch: 'memory' | 'loop';
  /** How long an engine may take to come to a start whose caller has gone away. Default 10 s. */
  readonly unansweredStartMs?: number;
}
