import { importsOf, type Sources, targetOf } from './imports.ts';

/**
 * What a page or an auditor loads: it reads answers of the API and verifies what the log proves, and it never validates
 * input. A schema library would be most of what it downloads.
 */
export const browserEntries: readonly string[] = [
  'shared/protocol/src/ids.ts',
  'shared/protocol/src/units.ts',
  'shared/protocol/src/result.ts',
  'shared/protocol/src/capacity/capacity.ts',
  'shared/protocol/src/capacity/dimensions.ts',
  'shared/protocol/src/capacity/limits.ts',
  'shared/protocol/src/capacity/resources.ts',
  'shared/protocol/src/catalogue/errors.ts',
  'shared/protocol/src/catalogue/obstacles.ts',
  'shared/protocol/src/catalogue/reasons.ts',
  'shared/protocol/src/job/device-classes.ts',
  'shared/protocol/src/log/bytes.ts',
  'shared/protocol/src/log/canonical.ts',
  'shared/protocol/src/log/checkpoint.ts',
  'shared/protocol/src/log/hash.ts',
  'shared/protocol/src/log/merkle-frontier.ts',
  'shared/protocol/src/log/merkle-proofs.ts',
  'shared/protocol/src/log/merkle.ts',
  'shared/protocol/src/log/signed-note.ts',
  'shared/protocol/src/routes/states.ts',
  'shared/protocol/src/wire/delegation.ts',
  'shared/protocol/src/wire/outputs.ts',
  'shared/protocol/src/wire/receipt-batch.ts',
  'shared/protocol/src/wire/receipt.ts',
  'shared/client/src/follow.ts',
  'shared/client/src/verify-receipt.ts',
];

/** Modules outside this repository that an entry loads at run time, each with the way to it. */
export function loadedBy(sources: Sources, entry: string): ReadonlyMap<string, readonly string[]> {
  const outside = new Map<string, readonly string[]>();
  const seen = new Set([entry]);
  const ways: (readonly string[])[] = [[entry]];
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    const path = way.at(-1) ?? '';
    const source = sources.get(path);
    if (source === undefined) throw new Error(`${way.join(' > ')}: there is no such file`);
    for (const { specifier, isTypeOnly } of importsOf(source)) {
      if (isTypeOnly) continue;
      const target = targetOf(path, specifier);
      if (target === undefined) {
        if (!outside.has(specifier)) outside.set(specifier, [...way, specifier]);
      } else if (!seen.has(target)) {
        seen.add(target);
        ways.push([...way, target]);
      }
    }
  }
  return outside;
}

/** The way from an entry to each module of the schema library that it loads. */
export function findLoadedSchemas(sources: Sources, entries = browserEntries): readonly string[] {
  return entries.flatMap((entry) =>
    [...loadedBy(sources, entry)]
      .filter(([specifier]) => /^typebox(\/|$)/.test(specifier))
      .map(([, way]) => way.join(' > ')),
  );
}
