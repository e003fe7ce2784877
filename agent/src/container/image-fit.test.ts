import type { Assignment } from '@capacloud/protocol/wire/frames';
import { expect, it } from 'vitest';
import { planAttempt } from '../features/of-assignment.ts';
import { fitToImage, foldersOf } from './image-fit.ts';

const user = { uid: 1, gid: 1, namedUid: 1 };

function fit(
  { inputs = [], outputs = [], checkpoint }: { inputs?: string[]; outputs?: string[]; checkpoint?: string },
  names: Readonly<Record<string, readonly string[]>>,
  home = '/home/task',
) {
  const assignment = {
    task: 'job_aaaaaaaaaaaaaaaaaaaa.0',
    attempt: 1,
    inputs: inputs.map((target) => ({ target })),
    outputs: outputs.map((path) => ({ path, maxBytes: 1 })),
    resources: { diskBytes: 1 },
    ...(checkpoint === undefined ? {} : { checkpoint: { path: checkpoint, maxBytes: 1 } }),
  } as unknown as Assignment;
  const plan = planAttempt(assignment);
  const layout = {
    passwd: undefined,
    group: undefined,
    tmpIsOpen: true,
    home,
    names: new Map(Object.entries(names)),
  };
  const found = fitToImage(assignment, plan, user, layout);
  const folders = (mounts: readonly { readonly folder: string }[]) => mounts.map(({ folder }) => folder);
  return {
    asked: foldersOf(assignment, plan),
    singly: found.ok ? folders(found.value.singly) : [],
    copied: found.ok ? folders(found.value.copied) : [],
    refused: found.ok ? undefined : found.refusal,
  };
}

it('mounts folders whole where the image holds nothing', () => {
  expect(fit({ inputs: ['/in/x'], outputs: ['/out/r.json', '/res/'] }, {})).toEqual({
    asked: ['/in', '/out', '/res'],
    singly: [],
    copied: [],
    refused: undefined,
  });
});

it('mounts inputs one by one, and outputs with a copy, where it holds something', () => {
  const names = { '/app': ['main.sh'], '/model': ['a'] };
  expect(fit({ inputs: ['/app/c.json', '/in/x'], outputs: ['/model/r.json'] }, names)).toMatchObject({
    singly: ['/app'],
    copied: ['/model'],
  });
});

it('keeps the home writable beside an input in it', () => {
  expect(fit({ inputs: ['/home/task/.netrc'] }, {}).singly).toEqual(['/home/task']);
  expect(fit({ inputs: ['/home/capacloud/.netrc'] }, {}, '/home/capacloud').singly).toHaveLength(1);
});

it.each([
  [{ outputs: ['/app/'] }, 'output folder /app'],
  // Inside a folder that has a copy as well.
  [{ outputs: ['/srv/r.json', '/srv/old'] }, '/srv/old/x.txt'],
  [{ checkpoint: '/app' }, 'checkpoint folder /app'],
])('refuses %j, which would take the files of the image for results', (job, words) => {
  const names = { '/app': ['main.sh'], '/srv': ['old'], '/srv/old': ['x.txt'] };
  expect(fit(job, names).refused).toContain(words);
});

it('takes a folder that is not there for outputs, beside files of the image', () => {
  expect(
    fit({ outputs: ['/app/r.json', '/app/new'] }, { '/app': ['main.sh'], '/app/new': [] }),
  ).toMatchObject({
    copied: ['/app'],
  });
});
