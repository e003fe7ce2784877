import { readFile } from 'node:fs/promises';
import { routes } from '@capacloud/protocol/routes';
import { expect, it } from 'vitest';
import packageFile from '../../package.json' with { type: 'json' };
import { openApiDocument } from './openapi.ts';

it('is the document that is committed; `node --import tsx scripts/openapi.ts` writes it anew', async () => {
  const committed = JSON.parse(await readFile(new URL('../../openapi.json', import.meta.url), 'utf8'));
  expect(JSON.parse(JSON.stringify(openApiDocument(packageFile.version)))).toEqual(committed);
});

it('describes every route once, with the parameters that its path names', () => {
  const document = openApiDocument('0') as {
    paths: Record<
      string,
      Record<string, { operationId: string; parameters: { name: string; in: string }[] }>
    >;
  };
  const found = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(operation.parameters.filter((part) => part.in === 'path').map((part) => part.name)).toEqual(
        named,
      );
      return `${operation.operationId} ${method.toUpperCase()} ${path}`;
    }),
  );
  const expected = Object.entries(routes).map(([name, route]) => `${name} ${route.method} ${route.path}`);
  expect(found.sort()).toEqual(expected.sort());
});
