import type { ImagePoisoned, Offer, Ruleset } from './entry.ts';
import type { NodeFacts } from './node-book.ts';
import { check } from './observation.ts';
import type { TaskFacts } from './task-facts.ts';

interface Use {
  readonly device: string;
  readonly image: string;
  readonly at: number;
}

export function imageOf({
  terms,
}: {
  readonly terms: { readonly job: string; readonly image?: string };
}): string {
  return terms.image ?? terms.job;
}

/** What ruins devices, and whether it was stopped in time and for a reason. */
export class PoisonBook {
  /** By node: attempts that ran on its devices and let go of them. */
  readonly #uses = new Map<string, Use[]>();
  /** By image: the newest fault at each provider. */
  readonly #faults = new Map<string, Map<string, number>>();
  readonly #stopped = new Map<string, number>();
  /** Images that have to be stopped before anything else happens. */
  readonly #due = new Set<string>();

  isStopped(image: string, at: number): boolean {
    return (this.#stopped.get(image) ?? 0) > at;
  }

  forgetNode(id: string): void {
    this.#uses.delete(id);
  }

  letGo(node: string, devices: readonly string[], task: TaskFacts, attempt: number, at: number): void {
    if (task.attempt !== attempt || task.runningAt === 0 || devices.length === 0) return;
    const uses = this.#uses.get(node) ?? [];
    for (const device of devices) uses.push({ at, device, image: imageOf(task.job) });
    this.#uses.set(node, uses);
  }

  /** Before the offer is noted. A device that could be used and now cannot was ruined by who alone had it. */
  offer(
    node: NodeFacts,
    offer: Offer,
    at: number,
    provider: string,
    rules: Ruleset,
    tasks: ReadonlyMap<string, TaskFacts>,
  ): void {
    const { poisonAfterMs, poisonEvidenceMs = 0, poisonNodes = 0 } = rules;
    if (poisonAfterMs === undefined) return;
    for (const { id, health } of offer.devices) {
      const before = node.offer?.devices.find((device) => device.id === id)?.health;
      if (before !== 'healthy' || health !== 'quarantined') continue;
      const [image, ...others] = this.#usersOf(node, id, at - poisonAfterMs, tasks);
      if (image === undefined || others.length > 0 || this.isStopped(image, at)) continue;
      const faults = this.#faults.get(image) ?? new Map<string, number>();
      for (const [each, faultAt] of faults) if (faultAt + poisonEvidenceMs <= at) faults.delete(each);
      this.#faults.set(image, faults.set(provider, at));
      if (faults.size >= poisonNodes) this.#due.add(image);
    }
  }

  #usersOf(
    { id, holds }: NodeFacts,
    device: string,
    sinceAt: number,
    tasks: ReadonlyMap<string, TaskFacts>,
  ): ReadonlySet<string> {
    const images = new Set<string>();
    for (const use of this.#uses.get(id) ?? [])
      if (use.device === device && use.at > sinceAt) images.add(use.image);
    for (const [taskId, { attempt, devices }] of holds) {
      const task = tasks.get(taskId);
      if (task?.attempt === attempt && task.runningAt > 0 && devices.includes(device))
        images.add(imageOf(task.job));
    }
    return images;
  }

  stop({ at, image, until, faults }: ImagePoisoned, rules: Ruleset): void {
    check(this.#due.delete(image), 'image.stopped', () => `${image} is stopped without enough faults`);
    const providers = new Set(faults.map(({ provider }) => provider)).size;
    check(
      providers >= (rules.poisonNodes ?? 0) && until === at + (rules.poisonMs ?? 0),
      'image.stopped',
      () => `${image} is stopped until ${until} for faults at ${providers} providers`,
    );
    this.#stopped.set(image, until);
    this.#faults.delete(image);
  }

  /** Before any other entry. */
  checkNoneDue(): void {
    for (const image of this.#due)
      check(false, 'image.stopped', () => `${image} has ruined devices of enough providers and goes on`);
  }

  checkWelcome(what: string, image: string, at: number): void {
    check(!this.isStopped(image, at), 'image.stopped', () => `${what} is taken while ${image} is stopped`);
  }
}
