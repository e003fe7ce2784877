import { expect, test } from 'vitest';
import { findLoadedSchemas } from './browser-imports.ts';
import { checkoutSources } from './checkout.ts';

test('nothing that a browser needs loads the schema library', () => {
  expect(findLoadedSchemas(checkoutSources())).toEqual([]);
});

const schema = 'shared/protocol/src/a-schema.ts';
const page = 'shared/client/src/page.ts';

test.each([
  ["import { a } from '@capacloud/protocol/a-schema';", true],
  ["import {\n  a,\n} from '@capacloud/protocol/a-schema';", true],
  ["import { type A } from '@capacloud/protocol/a-schema';", true],
  ["export { a } from '@capacloud/protocol/a-schema';", true],
  ["const a = await import('@capacloud/protocol/a-schema');", true],
  ["import type { A } from '@capacloud/protocol/a-schema';", false],
  ["export type { A } from '@capacloud/protocol/a-schema';", false],
])('%s: loads the schema library: %s', (source, isCaught) => {
  const sources = new Map([
    [page, `${source}\n`],
    [schema, "import Type from 'typebox';\n"],
  ]);
  const way = `${page} > ${schema} > typebox`;
  expect(findLoadedSchemas(sources, [page])).toEqual(isCaught ? [way] : []);
});

test('a module of the schema library counts as well', () => {
  const sources = new Map([[page, "import { Compile } from 'typebox/compile';\n"]]);
  expect(findLoadedSchemas(sources, [page])).toEqual([`${page} > typebox/compile`]);
});
