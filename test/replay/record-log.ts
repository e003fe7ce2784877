// Makes a fixture: the log of an eventful life, and what its replay gives with this release.
//
//   node --conditions=@capacloud/source --import tsx test/replay/record-log.ts FOLDER
//
// A fixture is made once for a release and never edited, so a folder that exists is refused.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEntries } from '@capacloud/rig/network/public-log';
import { missingCourses } from './courses.ts';
import { liveEventfully, parseEntries } from './eventful-life.ts';
import { replayEntries } from './replay-entries.ts';

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: record-log.ts FOLDER');
await mkdir(folder);
const dir = await mkdtemp(join(tmpdir(), 'cc-life-'));
const life = await liveEventfully(dir);
try {
  const entries = await readEntries(life.coordinator.operator);
  const missing = missingCourses(parseEntries(entries));
  if (missing.length > 0) throw new Error(`the log does not hold: ${missing.join('; ')}`);
  const { size, root, hash } = replayEntries(entries);
  await writeFile(join(folder, 'entries.ndjson'), entries.map((entry) => `${entry}\n`).join(''));
  await writeFile(join(folder, 'expected.json'), `${JSON.stringify({ size, root, hash }, null, 2)}\n`);
} finally {
  await life.close();
  await rm(dir, { recursive: true, force: true });
}
