import { expect, test } from 'vitest';
import { basesOf, isPinned } from './dockerfile-bases.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test.each([
  ['FROM node:1 AS build\nRUN x\nFROM build\nFROM --platform=linux/amd64 node:1', ['node:1']],
  ['FROM node:1-slim AS build\nfrom node:1', ['node:1-slim', 'node:1']],
  // A stage is known only below the line that names it.
  ['FROM later\nFROM node:1 AS later', ['later', 'node:1']],
  [`ARG BASE=node:1@${digest}\nFROM \${BASE} AS build\nFROM $BASE`, [`node:1@${digest}`]],
  ['FROM ${UNKNOWN}', ['']],
  ['FROM scratch\nCOPY --chown=1:1 --from=alpine:3 /a /b', ['alpine:3']],
  ['FROM node:1 AS Build\nFROM scratch\nCOPY --from=build /a /b', ['node:1']],
])('%j starts from %j', (dockerfile, bases) => {
  expect(basesOf(dockerfile)).toEqual(bases);
});

test.each([
  [`node:26.10.0-slim@${digest}`, true],
  ['node:26.10.0-slim', false],
  ['node', false],
  ['', false],
  [`node@${digest}`, false],
  [`node:1@${digest.slice(0, -1)}`, false],
  [`node:1@${digest.toUpperCase()}`, false],
])('%s: pinned is %s', (base, is) => {
  expect(isPinned(base)).toBe(is);
});
