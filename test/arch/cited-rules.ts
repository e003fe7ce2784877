import type { Sources } from './imports.ts';

const ruleLine = /^- \*\*([A-Z]+-\d+)\*\*: \S.*\.$/;
const citation = /^\s*\/\/ ((?:[A-Z]+-\d+)(?:, [A-Z]+-\d+)*)$/;

/** The ids of a RULES.md, in order. */
export function rulesOf(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => ruleLine.exec(line)?.[1] ?? []);
}

function citedIn(source: string): readonly string[] {
  return source.split('\n').flatMap((line) => citation.exec(line)?.[1]?.split(', ') ?? []);
}

/** Rules without code that keeps them or a test that would catch their loss, and citations of no rule. */
export function findRuleViolations(rules: readonly string[], sources: Sources): readonly string[] {
  const kept = new Set<string>();
  const tested = new Set<string>();
  const violations: string[] = [];
  for (const [path, source] of sources)
    for (const id of citedIn(source)) {
      if (!rules.includes(id)) violations.push(`${path} cites ${id}, which is no rule`);
      (path.endsWith('.test.ts') ? tested : kept).add(id);
    }
  for (const id of rules) {
    if (!kept.has(id)) violations.push(`no code says that it keeps ${id}`);
    if (!tested.has(id)) violations.push(`no test says that it would catch the loss of ${id}`);
    if (rules.indexOf(id) !== rules.lastIndexOf(id)) violations.push(`${id} stands twice`);
  }
  return violations;
}
