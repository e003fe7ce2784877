import type { NodeId } from '@capacloud/protocol/ids';

/** User ids that an agent gives to the containers of its attempts. */
export interface UidRange {
  readonly first: number;
  readonly last: number;
}

/** More than the slots of a machine and the attempts that an agent holds, so that a range is never used up. */
export const minTaskUids = 1024;

/** No system gives these to users: 0 to 999 are its own, 65,534 and 65,535 mean nobody and no user. */
export const minTaskUid = 1000;
export const reservedUids: readonly number[] = [65_534, 65_535];
/** Ids above belong to systemd (foreign images) or are negative to old programs. */
export const maxTaskUid = 0x7ffd_ffff;

const rangeSize = 2048;
/**
 * Above what Linux distributions, subordinate ids, systemd (dynamic users, containers) and directories such as FreeIPA and
 * SSSD give away by default. See "Users, Groups, UIDs and GIDs on systemd Systems".
 */
const free: UidRange = { first: 0x7800_0000, last: maxTaskUid };
/** An engine that maps user ids (rootless, userns-remap) has 65,536 of them, which are no users of the machine. */
const freeIfMapped: UidRange = { first: 8192, last: 57_343 };

/** The range of an agent whose owner names none. Agents of one machine have different ones, as a rule. */
export function defaultUidRange(node: NodeId, isMapped: boolean): UidRange {
  const { first, last } = isMapped ? freeIfMapped : free;
  const ranges = Math.floor((last - first + 1) / rangeSize);
  const at = first + (Number.parseInt(node.slice(-8), 16) % ranges) * rangeSize;
  return { first: at, last: at + rangeSize - 1 };
}

/**
 * The user id of a range that has been free for the longest: one that was never used, or the first that was let go.
 * `freed` holds ids in the order in which they were let go. Undefined where all are in use.
 */
export function freeUid(
  { first, last }: UidRange,
  inUse: ReadonlySet<number>,
  freed: readonly number[],
): number | undefined {
  const used = new Set(freed);
  for (let uid = first; uid <= last; uid++) if (!used.has(uid) && !inUse.has(uid)) return uid;
  return freed.find((uid) => uid >= first && uid <= last && !inUse.has(uid));
}
