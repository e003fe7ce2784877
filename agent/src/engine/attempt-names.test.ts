import type { NodeId, TaskId } from '@capacloud/protocol/ids';
import { describe, expect, it } from 'vitest';
import {
  attemptLabels,
  containerName,
  keeperName,
  keyOfLabels,
  keyOfName,
  labelFilter,
} from './attempt-names.ts';

const owner = { node: `node_${'0'.repeat(40)}` as NodeId, coordinator: 'main' };
const key = { task: 'job_aaaaaaaaaaaaaaaaaaaa.12' as TaskId, attempt: 3 };

describe('names of an attempt', () => {
  it('come back from labels, for the owner alone', () => {
    const labels = attemptLabels(owner, key, 'task');
    expect(keyOfLabels(owner, labels)).toEqual(key);
    expect(keyOfLabels({ ...owner, coordinator: 'other' }, labels)).toBeUndefined();
    expect(keyOfLabels(owner, { ...labels, 'capacloud.attempt': '0' })).toBeUndefined();
    expect(keyOfLabels(owner, { ...labels, 'capacloud.task': '../x' })).toBeUndefined();
    expect(keyOfLabels(owner, null)).toBeUndefined();
  });

  it('come back from the name of a scratch image', () => {
    expect(keyOfName(`${containerName(key)}-out1.img`)).toEqual(key);
    expect(keyOfName('cc-nonsense-1-out0.img')).toBeUndefined();
    expect(keyOfName(keeperName(key))).toBeUndefined();
  });

  it('filter one attempt by all four labels', () => {
    expect(labelFilter(owner, key).label).toHaveLength(4);
  });
});
