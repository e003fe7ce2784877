import { describe, expect, it } from 'vitest';
import { homeVariables, userEntry } from './task-home.ts';

const user = { uid: 2_100_000_000, gid: 65_532, namedUid: 65_532 };
const root = 'root:x:0:0:root:/root:/bin/sh';
const entryIn = (passwd: string | undefined, group?: string, of = user) => userEntry({ passwd, group }, of);

describe('the entry of the user', () => {
  it('is added to the passwd file of the image', () => {
    const line = 'task:x:2100000000:65532:task:/home/task:/bin/sh\n';
    expect(entryIn(`${root}\n`)).toEqual({
      name: 'task',
      passwd: `${root}\n${line}`,
      home: '/home/task',
      groups: [],
    });
    expect(entryIn(root).passwd).toBe(`${root}\n${line}`);
    expect(entryIn('').passwd).toBe(line);
  });

  it('takes another name where the image has given it away', () => {
    const passwd = 'task:x:1:1:::\n';
    expect(entryIn(passwd)).toMatchObject({
      name: 'task2100000000',
      passwd: expect.stringContaining('\ntask2100000000:x:2100000000:') as string,
    });
  });

  it('is the one that the image has of the named user, with the id of the task', () => {
    const passwd = `${root}\nnonroot:x:65532:65532:Nobody:/home/nonroot:/bin/false\nlast:x:5:5:::\n`;
    expect(entryIn(passwd)).toEqual({
      name: 'nonroot',
      passwd: passwd.replace(':65532:', ':2100000000:'),
      home: '/home/task',
      groups: [],
    });
    expect(entryIn(root, undefined, { uid: 0, gid: 0, namedUid: 0 })).toMatchObject({
      name: 'root',
      passwd: undefined,
    });
    // It becomes a variable, and a name that is none would be worse than another.
    expect(entryIn('a b\u0007:x:65532:65532:::').name).toBe('task');
  });

  it('has the groups of the named user, but for that of root', () => {
    const passwd = 'me:x:65532:100:::\n';
    const group = 'root:x:0:me\nusers:x:100:\nvideo:x:44:you,me\nme:x:65532:\nother:x:7:you\nbad:x:1e3:me\n';
    expect(entryIn(passwd, group).groups).toEqual([100, 44]);
    expect(entryIn(passwd).groups).toEqual([100]);
  });

  it('is given no group that the engine would take for another, whose name is its number', () => {
    expect(entryIn('me:x:65532:65532:::\n', 'video:x:44:me\n 44:x:0:\n').groups).toEqual([]);
  });

  it('is not made up for an image without the file', () => {
    expect(entryIn(undefined)).toEqual({ name: 'task', passwd: undefined, home: '/home/task', groups: [] });
  });
});

describe('the variables of the home', () => {
  it('follow one another, and the job', () => {
    expect(homeVariables({}, 'task')).toEqual({
      HOME: '/home/task',
      USER: 'task',
      LOGNAME: 'task',
      XDG_CACHE_HOME: '/home/task/.cache',
      TORCHINDUCTOR_CACHE_DIR: '/home/task/.cache/torchinductor',
    });
    expect(homeVariables({ HOME: '/' }, 'task').XDG_CACHE_HOME).toBe('/.cache');
    expect(homeVariables({ HOME: '/out', XDG_CACHE_HOME: '/out/c/' }, 'task')).toMatchObject({
      HOME: '/out',
      TORCHINDUCTOR_CACHE_DIR: '/out/c/torchinductor',
    });
  });
});
