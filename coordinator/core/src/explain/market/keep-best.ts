/** Puts the item where it belongs in the sorted list, which holds the first `most` of all that were put in. */
export function keepBest<T>(list: T[], item: T, most: number, compare: (a: T, b: T) => number): void {
  const last = list.at(-1);
  if (list.length === most && last !== undefined && compare(item, last) >= 0) return;
  let at = list.length;
  for (let before = list[at - 1]; before !== undefined && compare(item, before) < 0; before = list[at - 1])
    at -= 1;
  list.splice(at, 0, item);
  if (list.length > most) list.pop();
}
