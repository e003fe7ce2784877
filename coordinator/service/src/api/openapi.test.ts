import { readFile } from 'node:fs/promises';
import { routes } from '@capacloud/protocol/routes/routes';
import { expect, it } from 'vitest';
import { openApiDocument } from './openapi.ts';

it('is the document that is committed; `node --import tsx scripts/openapi.ts` writes it anew', async () => {
  const read = async (name: string) =>
    JSON.parse(await readFile(new URL(`../../${name}`, import.meta.url), 'utf8')) as Record<string, unknown>;
  const { version } = await read('package.json');
  expect(JSON.parse(JSON.stringify(openApiDocument(String(version))))).toEqual(await read('openapi.json'));
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
