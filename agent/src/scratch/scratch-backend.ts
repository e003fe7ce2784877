import type { ContainerUser } from '../core/container-user.ts';
import type { AttemptKey } from '../core/ports.ts';
import type { ScratchMount } from './mount-plan.ts';

/** Where the writable folders of a task live. Each is a file system of its own, bounded in bytes and inodes. */
export interface ScratchBackend {
  /** Its pages count towards the container's memory. */
  readonly inMemory: boolean;
  /** Makes what lies under the volume and gives the options of the engine's local driver. */
  provide(mount: ScratchMount, user: ContainerUser, signal: AbortSignal): Promise<Record<string, string>>;
  /** Called once the keeper holds the volumes: from now on they may free themselves with it. */
  entrust(key: AttemptKey, signal: AbortSignal): Promise<void>;
  /** Frees what lies under the volumes of an attempt, after they were removed. Idempotent. */
  release(key: AttemptKey, signal: AbortSignal): Promise<void>;
  /** Attempts that something is left of on the host. */
  leftovers(): Promise<readonly AttemptKey[]>;
}
