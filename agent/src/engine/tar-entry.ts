import type { ContainerUser } from '../core/container-user.ts';

/** The largest that a header of the plain format holds; another reader would see what is above it as something else. */
const maxPlainId = 0o777777;
const maxSeconds = 2 ** 31 - 1;

/** Owner of an entry, in a header's words. */
export function ownership({ uid, gid }: ContainerUser) {
  const pax = Math.max(uid, gid) > maxPlainId ? { pax: { uid: String(uid), gid: String(gid) } } : {};
  return { uid, gid, ...pax };
}

/** Whole seconds that every header can say; 1970 for all others. */
export function plainTime(time: Date | undefined): Date {
  const seconds = Math.floor((time?.getTime() ?? 0) / 1000);
  return new Date(seconds > 0 && seconds <= maxSeconds ? seconds * 1000 : 0);
}
