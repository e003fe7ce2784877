import type { Sha256Hex } from '@capacloud/protocol/ids';
import {
  emptyFoldersProtocol,
  keptOutputsProtocol,
  protocolVersions,
} from '@capacloud/protocol/wire/protocol-versions';
import { describe, expect, it } from 'vitest';
import { faultOfNamed, lacksDeclared } from './declared-outputs.ts';

const file = (path: string, sizeBytes = 1) => ({ path, sizeBytes, sha256: 'a'.repeat(64) as Sha256Hex });
const archive = (sizeBytes = 1, packed = 3) => ({ ...file('/more-files.tar', sizeBytes), packed });
const declared = [
  { path: '/out/result.json', maxBytes: 100 },
  { path: '/data/', maxBytes: 1000 },
];

describe('what a receipt names', () => {
  it.each([
    [{ outputs: [file('/out/result.json'), file('/data/a/b')] }],
    [{ outputs: [file('/data/a', 1000)], links: [{ path: '/data/b', target: 'a' }] }],
    [{ outputs: [file('/data/a', 900), archive(100 + 4 * 8192)] }],
    [{ outputs: [], emptyFolders: ['/data'] }],
  ])('is what the job declared: %j', (named) => {
    expect(faultOfNamed(named, declared)).toBeUndefined();
  });

  it.each([
    ['elsewhere', { outputs: [file('/etc/cron.d/x')] }],
    ['beside a declared file', { outputs: [file('/out/result.json.bak')] }],
    ['beside a declared folder', { outputs: [file('/database')] }],
    ['above it', { outputs: [file('/data/../etc/passwd')] }],
    ['by another spelling', { outputs: [file('/data//a')] }],
    ['without a root', { outputs: [file('data/a')] }],
    ['as a link elsewhere', { outputs: [], links: [{ path: '/etc/x', target: 'y' }] }],
    [
      'as a link that leads elsewhere',
      { outputs: [], links: [{ path: '/data/x', target: '../etc/passwd' }] },
    ],
    [
      'as a link that leads there from the root',
      { outputs: [], links: [{ path: '/data/x', target: '/data/y' }] },
    ],
    ['as an archive of another name', { outputs: [{ ...archive(), path: '/data/x.tar' }] }],
    ['as two archives', { outputs: [archive(), archive()] }],
    ['as a folder that nobody declared', { outputs: [], emptyFolders: ['/home'] }],
  ])('is not what it declared where it lies %s', (_, named) => {
    expect(faultOfNamed(named, declared)).toBe('undeclared');
  });

  it('is nothing at all where the job declared nothing', () => {
    expect(faultOfNamed({ outputs: [] }, [])).toBeUndefined();
    expect(faultOfNamed({ outputs: [archive()] }, [])).toBe('undeclared');
  });

  it.each([
    ['a file is larger than its output', [file('/out/result.json', 101)]],
    ['files together are larger than all outputs', [file('/data/a', 1000), file('/data/b', 101)]],
    ['an archive is', [archive(1101 + 4 * 8192)]],
  ])('is too large where %s', (_, outputs) => {
    expect(faultOfNamed({ outputs }, declared)).toBe('too_large');
  });
});

describe('a success', () => {
  const both = [file('/out/result.json'), file('/data/a')];

  it.each(protocolVersions)('names each output that has to be there, by protocol %i', (protocol) => {
    expect(lacksDeclared({ outputs: both }, declared, protocol)).toBe(false);
    expect(lacksDeclared({ outputs: [] }, declared, protocol)).toBe(true);
    expect(lacksDeclared({ outputs: both.slice(1) }, declared, protocol)).toBe(true);
  });

  it('may lack what is optional, and name a link for a file', () => {
    const optional = declared.map((output) => ({ ...output, optional: true as const }));
    expect(lacksDeclared({ outputs: [] }, optional, 1)).toBe(false);
    const links = [{ path: '/out/result.json', target: '../data/a' }];
    expect(lacksDeclared({ outputs: both.slice(1), links }, declared, keptOutputsProtocol)).toBe(false);
  });

  it('names no link for a file that is not there', () => {
    for (const target of ['x', '.', '../data/b', 'result.json']) {
      const links = [{ path: '/out/result.json', target }];
      expect(lacksDeclared({ outputs: both.slice(1), links }, declared, emptyFoldersProtocol)).toBe(true);
    }
    const links = [{ path: '/out/result.json', target: '../data' }];
    const named = { outputs: [], links, emptyFolders: ['/data'] };
    expect(lacksDeclared(named, declared, emptyFoldersProtocol)).toBe(false);
  });

  it('has in its archive what comes after the files that it names, and nothing else', () => {
    const lacks = (...paths: string[]) =>
      lacksDeclared(
        { outputs: [...paths.map((path) => file(path)), archive()] },
        declared,
        emptyFoldersProtocol,
      );
    expect(lacks()).toBe(true);
    expect(lacks('/data/a')).toBe(false);
    expect(lacks('/out/result.json')).toBe(true);
    expect(lacks('/data/a', '/out/result.json')).toBe(false);
    expect(lacksDeclared({ outputs: [archive()] }, declared, keptOutputsProtocol - 1)).toBe(false);
  });

  it('may have a folder without a file, if its agent says so or has no word for it', () => {
    const outputs = both.slice(0, 1);
    const emptyFolders = ['/data'];
    expect(lacksDeclared({ outputs, emptyFolders }, declared, emptyFoldersProtocol)).toBe(false);
    expect(lacksDeclared({ outputs }, declared, emptyFoldersProtocol)).toBe(true);
    expect(lacksDeclared({ outputs }, declared, emptyFoldersProtocol - 1)).toBe(false);
    expect(lacksDeclared({ outputs }, declared, keptOutputsProtocol - 1)).toBe(true);
  });
});
