import { expect, test } from 'vitest';
import { foreignBases } from './service-image.ts';

test('a Dockerfile may start from the base image and its own stages only', () => {
  expect(
    foreignBases('FROM node:1 AS build\nRUN x\nFROM build\nFROM --platform=linux/amd64 node:1', 'node:1'),
  ).toEqual([]);
  expect(foreignBases('FROM node:1-slim AS build\nfrom node:1', 'node:1')).toEqual(['node:1-slim']);
  // A stage is known only below the line that names it.
  expect(foreignBases('FROM later\nFROM node:1 AS later', 'node:1')).toEqual(['later']);
});
