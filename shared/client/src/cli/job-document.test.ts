import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseJobFile } from '@capacloud/protocol/job/job-spec';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CommandError, type PlacedProblem } from './command-error.ts';
import { type JobDocument, readJobDocument } from './job-document.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'capacloud-job-document-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(text: string | Uint8Array, set: readonly string[] = []): Promise<JobDocument> {
  const file = join(folder, 'job.yaml');
  await writeFile(file, text);
  return readJobDocument(file, set);
}

async function refusal(text: string | Uint8Array): Promise<CommandError> {
  const error: unknown = await read(text).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CommandError)) throw new Error('was read', { cause: error });
  return error;
}

const shown = (problems: readonly PlacedProblem[]): readonly string[] =>
  problems.map(
    ({ place = '', pointer, message }) => `${place.replace(/^.*job\.yaml/, '')} ${pointer} ${message}`,
  );

const head = 'version: "1"\nimage: busybox\n';
const spellings = [
  '3.10',
  '007',
  '0o17',
  '0x1F',
  '1e3',
  '0.0000001',
  '12345678901234567890',
  '1175859412345678901',
  'True',
  '+1',
  '.5',
  '12:30',
  '2024-01-02',
  'yes',
  '2e-5',
  '1e10',
  '.inf',
  '-0',
  '1_000',
];

describe('text fields', () => {
  test.each(spellings)('keep %s as it is written', async (written) => {
    const { value } = await read(
      `${head}env: { A: ${written} }\nlabels: { ${written}: ${written} }\ncommand: [echo, ${written}]\n` +
        `placement: { constraints: [{ key: a, operator: in, values: [${written}] }] }\nname: ${written}\n`,
    );
    expect(value).toEqual({
      version: '1',
      image: 'busybox',
      env: { A: written },
      labels: { [written]: written },
      command: ['echo', written],
      placement: { constraints: [{ key: 'a', operator: 'in', values: [written] }] },
      name: written,
    });
  });

  test('keep their spelling in JSON, too, and behind aliases, merges and dates of YAML 1.1', async () => {
    const json = await read('{"version":"1","image":"x","env":{"ID":12345678901234567890,"V":3.10}}');
    expect(json.value).toHaveProperty('env', { ID: '12345678901234567890', V: '3.10' });
    const yaml = await read(
      `%YAML 1.1\n---\n${head}x-a: &a { A: 3.10, B: 2024-01-02 }\nx-b: &b 1.0\nenv: { <<: *a, B: *b, C: 12:30 }\n`,
    );
    expect(yaml.value).toHaveProperty('env', { A: '3.10', B: '1.0', C: '12:30' });
  });

  test('are those that take text; others keep their numbers', async () => {
    const { value } = await read(
      `version: 1\nimage: 3.10\nuser: 0777\nx-n: 1.10\nreplicas: 0x10\ngang: true\nworking_dir: 1.0\n` +
        'resources: { cpu: 0.50, memory: 16777216, gpu: 2 }\nprice: { max_per_hour: 0.50 }\n',
      ['priority=0x2', 'name=007', 'env.A=1.10', 'resources.disk=10000000'],
    );
    expect(value).toEqual({
      version: '1',
      image: '3.10',
      user: '0777',
      'x-n': 1.1,
      replicas: 16,
      gang: true,
      working_dir: '1.0',
      resources: { cpu: 0.5, memory: '16777216', gpu: 2, disk: '10000000' },
      price: { max_per_hour: '0.50' },
      priority: 2,
      name: '007',
      env: { A: '1.10' },
    });
  });

  test('with no value are refused, because Compose would take them from the shell', async () => {
    const document = await read(`${head}env:\n  FOO:\n  BAR: null\n`);
    const parsed = parseJobFile(document.value);
    if (parsed.ok) throw new Error('was taken');
    const places = shown(document.place(parsed.refusal.problems ?? [])).map((text) => text.slice(0, 12));
    expect([...new Set(places)]).toEqual([':4:7 /env/FO', ':5:8 /env/BA']);
  });
});

test('lines may end with a carriage return alone, and what spans lines is placed at its name', async () => {
  const document = await read(`${head}services:\n  a: {}\nname: x\n`.replaceAll('\n', '\r'));
  expect(document.value).toMatchObject({ name: 'x' });
  const [placed] = document.place([{ pointer: '/services', message: 'm' }]);
  expect(placed?.place).toMatch(/:3:1$/);
});

test('problems are told in the order of the file, whatever found them', async () => {
  const document = await read(
    `${head}timeout: 1.5h\ngpus: all\noutputs: [{ path: "/out/*.png" }]\nenv: { A: }\nmemory: 16g\n`,
  );
  const parsed = parseJobFile(document.value);
  if (parsed.ok) throw new Error('was taken');
  const lines = document.place(parsed.refusal.problems ?? []).map(({ place }) => place?.split(':').at(-2));
  expect(lines).toEqual(['3', '4', '5', '6', '7']);
});

describe('what is not one YAML document in UTF-8 is refused in words', () => {
  const utf16 = (text: string): Uint8Array => Buffer.from(text, 'utf16le');
  const wide = (text: string): Uint8Array =>
    new Uint8Array(Uint32Array.from(text, (letter) => letter.codePointAt(0) ?? 0).buffer);
  test.each<[string, string | Uint8Array, string]>([
    ['UTF-16', utf16(`\ufeff${head}`), 'is in UTF-16.'],
    ['UTF-16, the big end first', utf16(`\ufeff${head}`).slice().reverse(), 'is in UTF-16.'],
    ['UTF-16 without a mark', utf16(head), 'is in UTF-16.'],
    ['a program', Buffer.from('\x7fELF\x02\x01\x01\0\0'), 'is not text in UTF-8.'],
    ['Latin-1', Buffer.from(`${head}name: caf\xe9\n`, 'latin1'), 'is not text in UTF-8.'],
    ['two documents', `${head}---\n${head}`, ':3:1: A second document begins here (---)'],
    ['UTF-16 with letters of other alphabets', utf16(`# Привет\n${head}`), 'is in UTF-16.'],
    ['UTF-32', wide(`\ufeff${head}`), 'is in UTF-32.'],
    ['UTF-32 without a mark', wide(head), 'is in UTF-32.'],
    [
      'Latin-1, with its place',
      Buffer.from(`${head}name: caf\xe9\n`, 'latin1'),
      'Line 3, column 10 has the byte E9',
    ],
    [
      'a quote that stays open',
      `${head}name: "a\nuser: b\n`,
      ':5:1: The quote that is opened in line 3, column 7 is never closed.',
    ],
    [
      'indentation',
      `${head}resources:\n  cpu: 1\n disk: 1Mi\n`,
      ':5:1: The indentation of this line fits no line above it',
    ],
    ['lines of JSON', '{"version":"1"}\n{"version":"1"}\n', ':2:1: A second value begins here'],
    ['depth', '['.repeat(5000) + ']'.repeat(5000), 'What begins here is nested more than 64 levels deep.'],
    ['a shell script', '#!/bin/bash\n#SBATCH --time=1\nsrun x\n', 'it looks like a shell script.'],
    ['a web page', '<!DOCTYPE html>\n<html></html>\n', 'it looks like a web page.'],
    ['a Dockerfile', 'FROM ubuntu\nRUN x\n', 'it looks like a Dockerfile.'],
    ['TOML', 'image = "x"\n[resources]\ncpu = 1\n', 'such as TOML.'],
    ['Markdown', `# Job\n\n\`\`\`yaml\n${head}\`\`\`\n`, 'it looks like a text in Markdown.'],
    ['a comment before what is wrong', `# Job\n${head}name: a: b\n`, ':4:7: This line is read as a key'],
    ['tabs', `${head}resources:\n\tcpu: 1\n`, ':4:1: A tab is used for indentation'],
    ['a tag', `${head}name: !!js x\n`, ':3:7: Tags such as !!js are not taken'],
    ['an unknown anchor', `${head}name: *gone\n`, ':3:7: *gone needs an anchor &gone before it'],
    ['an alias in itself', `${head}x-a: &a [*a]\n`, 'an alias may not stand inside what it stands for'],
    ['a colon in text', `${head}name: a: b\n`, ':3:7: This line is read as a key inside a value'],
    ['a key that is a list', `${head}? [a]\n: b\n`, ':3:3: has a key that is not text'],
    ['a merge of text', `${head}env: { <<: x }\n`, ':3:12: merges (<<) what is not a map'],
  ])('%s', async (_, text, said) => {
    const { message, problems } = await refusal(text);
    expect(message).toContain(said);
    expect(problems).toEqual([]);
  });

  test('a key that stands twice, together with all else that is wrong', async () => {
    const { message, problems } = await refusal(`${head}image: b\nreplicas: none\n`);
    expect(message).toContain('job.yaml:3:1: The key image stands here for the second time');
    expect(problems.map(({ pointer }) => pointer)).toEqual(['/replicas']);
  });

  test('a file that is missing, or a folder', async () => {
    await expect(readJobDocument(folder, [])).rejects.toThrow('cannot be read: it is a folder.');
    await expect(readJobDocument(join(folder, 'none'), [])).rejects.toThrow('there is no such file.');
  });
});

describe('aliases', () => {
  test('stand for the last anchor of their name before them', async () => {
    const { value } = await read(`${head}x-a: [&x 1, &y [*x], &x 2, *y, *x]\n`);
    expect(value).toHaveProperty('x-a', [1, [1], 2, [1], 2]);
  });
  test('and merges keep the own keys of a map, then those of what is named first', async () => {
    const { value } = await read(
      `${head}x-a: &a { A: 1, B: 2 }\nx-b: &b { B: 3, C: 4 }\nenv: { C: 5, <<: [*a, *b] }\n`,
    );
    expect(value).toHaveProperty('env', { A: '1', B: '2', C: '5' });
  });
});
