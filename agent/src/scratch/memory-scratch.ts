import { scratchInodes } from './mount-plan.ts';
import type { ScratchBackend } from './scratch-backend.ts';

/**
 * Scratch on a sized tmpfs that the engine mounts: works wherever the agent runs. The engine unmounts it with the
 * last container that uses it, so the keeper holds it until the outputs are collected.
 */
export const memoryScratch: ScratchBackend = {
  inMemory: true,
  async provide(mount, user) {
    const inodes = scratchInodes(mount.sizeBytes);
    return {
      type: 'tmpfs',
      device: 'tmpfs',
      o: `size=${mount.sizeBytes},nr_inodes=${inodes},uid=${user.uid},gid=${user.gid},mode=0755,nosuid,nodev`,
    };
  },
  async entrust() {},
  async release() {},
  async leftovers() {
    return [];
  },
};
