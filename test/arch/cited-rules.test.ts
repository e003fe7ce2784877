import { expect, it } from 'vitest';
import { checkoutSources, readCheckout } from './checkout.ts';
import { findRuleViolations, rulesOf } from './cited-rules.ts';

it.each(['coordinator/core', 'agent'])(
  '%s: each rule is cited by code and by a test, and each citation is a rule',
  (folder) => {
    const rules = rulesOf(readCheckout(`${folder}/RULES.md`));
    const sources = new Map([...checkoutSources()].filter(([path]) => path.startsWith(`${folder}/src/`)));
    expect(rules.length).toBeGreaterThan(0);
    expect(findRuleViolations(rules, sources)).toEqual([]);
  },
);

it('finds what is not cited, and what is no rule', () => {
  const rules = rulesOf(
    '# Rules\n- **PAY-1**: Money.\n- **PAY-2**: More.\n- **PAY-2**: Twice.\n- PAY-4: no.\n',
  );
  expect(rules).toEqual(['PAY-1', 'PAY-2', 'PAY-2']);
  const sources = new Map([
    ['a/src/a.ts', '  // PAY-1, PAY-3\nconst x = 1; // PAY-2\n'],
    ['a/src/a.test.ts', '// PAY-1\n'],
  ]);
  expect(new Set(findRuleViolations(rules, sources))).toEqual(
    new Set([
      'a/src/a.ts cites PAY-3, which is no rule',
      'no code says that it keeps PAY-2',
      'no test says that it would catch the loss of PAY-2',
      'PAY-2 stands twice',
    ]),
  );
});
