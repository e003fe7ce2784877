import { importsOf, type Sources, targetOf } from './imports.ts';

type Graph = ReadonlyMap<string, readonly string[]>;

/** Files that import one another, types included, and the shortest way round. */
export interface ImportCycle {
  readonly files: readonly string[];
  /** It ends where it begins. */
  readonly shortest: readonly string[];
}

/** The strongly connected components of the import graph that have more than one file, or a file that imports itself. */
export function findImportCycles(sources: Sources): readonly ImportCycle[] {
  const graph: Graph = new Map(
    [...sources].map(([path, source]) => [
      path,
      importsOf(source).flatMap(({ specifier }) => {
        const target = targetOf(path, specifier);
        return target !== undefined && sources.has(target) ? [target] : [];
      }),
    ]),
  );
  return componentsOf(graph)
    .filter(([first = '', ...others]) => others.length > 0 || graph.get(first)?.includes(first) === true)
    .map((files) => ({ files: files.sort(), shortest: shortestCycle(graph, new Set(files)) }));
}

/** Tarjan's algorithm: R. Tarjan, "Depth-first search and linear graph algorithms", 1972. */
function componentsOf(graph: Graph): readonly string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const components: string[][] = [];
  const visit = (file: string): number => {
    const own = order.size;
    order.set(file, own);
    stack.push(file);
    let least = own;
    for (const next of graph.get(file) ?? []) {
      // What is in no component yet has a low point; what is in one is left out.
      if (!order.has(next)) least = Math.min(least, visit(next));
      else if (stack.includes(next)) least = Math.min(least, low.get(next) ?? order.get(next) ?? own);
    }
    low.set(file, least);
    if (least === own) components.push(stack.splice(stack.indexOf(file)));
    return least;
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return components;
}

/** Breadth first from each file of a component. */
function shortestCycle(graph: Graph, files: ReadonlySet<string>): readonly string[] {
  let shortest: readonly string[] = [];
  for (const start of files) {
    const ways: (readonly string[])[] = [[start]];
    const seen = new Set<string>();
    for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
      if (shortest.length > 0 && way.length + 1 >= shortest.length) break;
      for (const next of graph.get(way.at(-1) ?? '') ?? []) {
        if (next === start) {
          shortest = [...way, start];
          ways.length = 0;
          break;
        }
        if (!files.has(next) || seen.has(next)) continue;
        seen.add(next);
        ways.push([...way, next]);
      }
    }
  }
  return shortest;
}
