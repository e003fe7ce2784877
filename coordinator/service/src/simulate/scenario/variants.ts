import type { ScenarioFile, VariantFile } from './scenario-file.ts';

interface Named {
  readonly name: string;
}

/**
 * The scenario with what the variant changes: rules one by one, nodes and jobs by their name and field by field. A name
 * that is new is added, a field that is null is taken away.
 */
export function mergeVariant(file: ScenarioFile, change: VariantFile): Record<string, unknown> {
  const { compare: _compare, ...base } = file;
  return {
    ...base,
    rules: { ...base.rules, ...change.rules },
    nodes: mergeByName(base.nodes, change.nodes ?? []),
    jobs: mergeByName(base.jobs, change.jobs ?? []),
  };
}

function mergeByName(base: readonly Named[], changes: readonly Named[]): readonly Named[] {
  const merged = new Map(base.map((item) => [item.name, item]));
  for (const change of changes) {
    const fields = Object.entries({ ...merged.get(change.name), ...change });
    merged.set(
      change.name,
      Object.fromEntries(fields.filter(([, value]) => value !== null)) as unknown as Named,
    );
  }
  return [...merged.values()];
}

/** Where the variant says what stands at the pointer of the merged scenario. */
export function pointerInVariant(
  pointer: string,
  index: number,
  merged: Readonly<Record<string, unknown>>,
  change: VariantFile,
): string {
  const own = `/compare/${index}`;
  const match = /^\/(nodes|jobs)\/([0-9]+)(.*)$/.exec(pointer);
  const [, list, position, rest] = match ?? [];
  if (list !== 'nodes' && list !== 'jobs') return `${own}${pointer}`;
  const name = (merged[list] as readonly Named[])[Number(position)]?.name;
  const place = (change[list] ?? []).findIndex((item) => item.name === name);
  return place < 0 ? own : `${own}/${list}/${place}${rest ?? ''}`;
}
