import { nearest } from '@capacloud/protocol/nearest';
import type { Problem } from '@capacloud/protocol/result';

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

/** Adds to each unknown field the known one that was probably meant. */
export function withGuesses(problems: readonly Problem[], schema: object): readonly Problem[] {
  return problems.map((problem) => {
    if (problem.message !== 'is not a known field') return problem;
    const path = problem.pointer.split('/').slice(1);
    const field = path.pop() ?? '';
    const guess = nearest(field, fieldsAt(schema as SchemaNode, path));
    return guess === undefined
      ? problem
      : { ...problem, message: `is not a known field; did you mean ${guess}?` };
  });
}

function fieldsAt(schema: SchemaNode, path: readonly string[]): readonly string[] {
  let node: SchemaNode | undefined = schema;
  for (const step of path) node = node?.items ?? node?.properties?.[step];
  return Object.keys(node?.properties ?? {});
}
