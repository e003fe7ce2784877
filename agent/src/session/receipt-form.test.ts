import type { NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import { type ReportItem } from '@capacloud/protocol/wire/frames';
import {
  emptyFoldersProtocol,
  imageBudgetProtocol,
  imagePlatformProtocol,
  keptOutputsProtocol,
  registryProtocol,
} from '@capacloud/protocol/wire/protocol-versions';
import { expect, test } from 'vitest';
import { reportFor } from './receipt-form.ts';

const sha256 = 'a'.repeat(64) as Sha256Hex;
const plain = { path: '/out/a', sha256, sizeBytes: 1 };
const item: ReportItem = {
  kind: 'finished',
  id: 1,
  receipt: {
    version: 1,
    node: `node_${'0'.repeat(40)}` as NodeId,
    task: 'job_00000000000000000000.0' as TaskId,
    attempt: 1,
    nonce: '0'.repeat(32),
    reason: 'completed',
    oomKilled: false,
    outputs: [plain, { path: '/more-files.tar', sha256, sizeBytes: 9, packed: 3 }],
    links: [{ path: '/out/latest', target: 'a' }],
    skipped: { total: 1, first: [{ path: '/out/pipe', why: 'special' }] },
    log: { sizeBytes: 9, truncated: true, gap: { from: 1, to: 2 } },
  },
};

test('a receipt leaves out what an older coordinator would refuse', () => {
  const older = reportFor(keptOutputsProtocol - 1, item);
  const { links: _links, skipped: _skipped, ...rest } = item.receipt;
  expect(older).toEqual({
    ...item,
    receipt: { ...rest, outputs: [plain], log: { sizeBytes: 9, truncated: true } },
  });
  expect(reportFor(keptOutputsProtocol, item)).toEqual(item);
  expect(reportFor(emptyFoldersProtocol, item)).toBe(item);
});

test('an older coordinator hears of a failed pull where the image is not made for the node', () => {
  const receipt = { ...item.receipt, reason: 'image_wrong_platform', imageRunsOn: ['arm64'] } as const;
  const misfit = { ...item, receipt: { ...receipt, imageRunsOn: [...receipt.imageRunsOn] } };
  expect(reportFor(imagePlatformProtocol, misfit)).toEqual(misfit);
  expect(reportFor(imagePlatformProtocol - 1, misfit)).toEqual({
    ...item,
    receipt: { ...item.receipt, reason: 'image_pull_failed' },
  });
});

test('an older coordinator hears of no folders without a file', () => {
  const report = { ...item, receipt: { ...item.receipt, emptyFolders: ['/out'] } };
  expect(reportFor(emptyFoldersProtocol, report)).toBe(report);
  expect(reportFor(emptyFoldersProtocol - 1, report)).toEqual(item);
});

test('an older coordinator hears of a failed pull where the image is too large for the node', () => {
  const report = { ...item, receipt: { ...item.receipt, reason: 'image_too_large' as const } };
  expect(reportFor(imageBudgetProtocol, report)).toEqual(report);
  for (const protocol of [imageBudgetProtocol - 1, registryProtocol, 1])
    expect(reportFor(protocol, report)).toMatchObject({ receipt: { reason: 'image_pull_failed' } });
});

test.each([
  ['registry_not_allowed', 'image_pull_failed'],
  ['registry_failed', 'image_pull_failed'],
  ['image_refused', 'image_pull_failed'],
  ['image_invalid', 'start_failed'],
  ['image_not_found', 'image_not_found'],
] as const)('an older coordinator hears of %s as %s', (reason, older) => {
  const report = { ...item, receipt: { ...item.receipt, reason } };
  expect(reportFor(registryProtocol, report)).toEqual(report);
  expect(reportFor(registryProtocol - 1, report)).toEqual({
    ...item,
    receipt: { ...item.receipt, reason: older },
  });
});
