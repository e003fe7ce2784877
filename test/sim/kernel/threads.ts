import type { Actor } from './actor.ts';

/** What a thread of the product is told by, and what it can do. */
export interface ThreadOwner {
  readonly actor: Actor;
  tell(message: unknown): void;
  exit(): void;
}
export interface ThreadPort {
  post(message: unknown): void;
  end(): void;
}
type ThreadBody = (owner: ThreadOwner, workerData: unknown) => ThreadPort;

const bodies = new Map<string, ThreadBody>();

/** `name`: that of the module which the product would start. */
export function defineThread(name: string, body: ThreadBody): void {
  bodies.set(name, body);
}

export function startThread(url: URL, workerData: unknown, owner: ThreadOwner): ThreadPort {
  const name = url.pathname.split('/').at(-1)?.split('.')[0] ?? '';
  const body = bodies.get(name);
  if (body === undefined) throw new Error(`no simulated thread ${name}`);
  return body(owner, workerData);
}
