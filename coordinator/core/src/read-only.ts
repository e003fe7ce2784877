import type { Capacity } from '@capacloud/protocol/capacity/capacity';
import type { ChangeFeed, WorkSeen } from './change-feed.ts';
import type { Clocked, ClockWheel } from './clock-wheel.ts';

type Scalar = string | number | bigint | boolean | undefined;
/** How a record hangs in a clock wheel. Only the wheel needs it. */
type Link = Exclude<keyof Clocked<unknown>, 'dueAt'>;
type Method = (...args: never[]) => unknown;

/**
 * A record of the state for reading, with all that can be reached from it. The compiler refuses every write to it.
 *
 * It also refuses to pass a node, job or task to a function that may write. TypeScript alone would allow that, because a
 * `readonly` property may become a writable one; so the links of the clock wheel are left out here. Methods are left out too,
 * because any of them may write. Wheels and the feed keep the methods that read.
 */
export type ReadOnly<T> = T extends Capacity
  ? Capacity
  : T extends Scalar
    ? T
    : T extends ReadonlyMap<infer Key, infer Value>
      ? ReadonlyMap<Key, ReadOnly<Value>>
      : T extends ReadonlySet<infer Item>
        ? ReadonlySet<ReadOnly<Item>>
        : T extends readonly (infer Item)[]
          ? readonly ReadOnly<Item>[]
          : T extends ClockWheel<infer Item>
            ? ReadOnlyWheel<ReadOnly<Item>>
            : T extends ChangeFeed<infer Node>
              ? ReadOnlyFeed<ReadOnly<Node>>
              : ReadOnlyRecord<T>;

type ReadOnlyRecord<T> = {
  readonly [Key in keyof T as T[Key] extends Method ? never : Exclude<Key, Link>]: ReadOnly<T[Key]>;
};

interface ReadOnlyWheel<Item> {
  readonly size: number;
  due(at: number, enough: number): Item[];
  earliest(): number;
}

interface ReadOnlyItems<Item> {
  readonly end: number;
  follow(position: number, visit: (item: Item) => void): boolean;
}

interface ReadOnlyFeed<Node> {
  readonly nodes: readonly (Node | undefined)[];
  readonly rows: ReadOnlyItems<number>;
  readonly idled: ReadOnlyItems<number>;
  readonly submitted: ReadOnlyItems<WorkSeen>;
  readonly images: ReadOnlyItems<{ readonly image: string; readonly node: Node }>;
  readonly arrivals: number;
}
