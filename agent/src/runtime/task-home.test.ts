import { describe, expect, it } from 'vitest';
import { homeVariables, userEntry } from './task-home.ts';

const user = { uid: 65_532, gid: 65_532 };
const root = 'root:x:0:0:root:/root:/bin/sh';

describe('the entry of the user', () => {
  it('is added to the passwd file of the image', () => {
    const line = 'task:x:65532:65532:task:/home/task:/bin/sh\n';
    expect(userEntry(`${root}\n`, user)).toEqual({
      name: 'task',
      passwd: `${root}\n${line}`,
      home: '/home/task',
    });
    expect(userEntry(root, user).passwd).toBe(`${root}\n${line}`);
    expect(userEntry('', user).passwd).toBe(line);
  });

  it('takes another name where the image has given it away', () => {
    const passwd = 'task:x:1:1:::\n';
    expect(userEntry(passwd, user)).toMatchObject({
      name: 'task65532',
      passwd: expect.stringContaining('\ntask65532:x:65532:') as string,
    });
  });

  it('is the one that the image has', () => {
    expect(userEntry(`${root}\nnonroot:x:65532:65532:::`, user)).toEqual({
      name: 'nonroot',
      passwd: undefined,
      home: '/home/task',
    });
    expect(userEntry(root, { uid: 0, gid: 0 }).name).toBe('root');
    // It becomes a variable, and a name that is none would be worse than another.
    expect(userEntry('a b\u0007:x:65532:65532:::', user).name).toBe('task');
  });

  it('is not made up for an image without the file', () => {
    expect(userEntry(undefined, user)).toEqual({
      name: 'task',
      passwd: undefined,
      home: '/home/task',
    });
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
