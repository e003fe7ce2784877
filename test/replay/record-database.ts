// Makes a fixture: the data folder of a coordinator that lived eventfully and was stopped, and what it told of itself.
//
//   npm run build && node --conditions=@capacloud/source --import tsx test/replay/record-database.ts FOLDER
//
// A fixture is made once for a release and never edited, so a folder that exists is refused.
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uploadArtifact } from '@capacloud/client/artifact-files';
import { createClient } from '@capacloud/client/client';
import { openStore } from '@capacloud/coordinator/store/store';
import type { AccountId } from '@capacloud/protocol/ids';
import { runCommand } from '@capacloud/rig/network/network-rig';
import { readEntries } from '@capacloud/rig/network/public-log';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import Database from 'better-sqlite3';
import { missingCourses } from './courses.ts';
import { liveEventfully, parseEntries } from './eventful-life.ts';
import { readFacts, readKept } from './stored-facts.ts';

const main = join(repositoryRoot, 'coordinator', 'service', 'dist', 'main.js');
const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: record-database.ts FOLDER');
await mkdir(folder);
const dir = await mkdtemp(join(tmpdir(), 'cc-life-'));
const life = await liveEventfully(dir);
try {
  const { operator, url, dataDir, process: running } = life.coordinator;
  const body = { name: 'fixture', account: 'acc_ada' as AccountId, scopes: ['consumer' as const] };
  const { secret } = await operator.call('createKey', { body });
  if (secret === undefined) throw new Error('a key without a secret');
  const spare = await operator.call('createKey', { body: { ...body, name: 'revoked' } });
  const consumer = createClient({ baseUrl: url, apiKey: secret });
  await consumer.call('revokeKey', { params: { id: spare.id } });
  await writeFile(join(dir, 'input.txt'), 'an artifact that a job waits with\n');
  const artifact = await uploadArtifact(consumer, join(dir, 'input.txt'));
  // Waits for ever: nobody has so many processors, and it uses the artifact.
  const waiting = {
    version: '1',
    image: 'busybox',
    command: 'true',
    resources: { cpu: 64 },
    inputs: [{ source: `artifact:${artifact.sha256}`, target: '/in/input' }],
  };
  const idempotencyKey = 'kept-by-the-fixture';
  const { id } = await consumer.call('submitJob', { body: waiting, query: {}, idempotencyKey });
  const missing = missingCourses(parseEntries(await readEntries(operator)));
  if (missing.length > 0) throw new Error(`the log does not hold: ${missing.join('; ')}`);
  await life.close();
  if (running.running) throw new Error('it runs still');
  const data = join(folder, 'data');
  await cp(dataDir, data, { recursive: true });
  for (const name of await readdir(data)) if (name.endsWith('.lock')) await rm(join(data, name));
  // Moves the write-ahead log into the file, which is as good and a tenth as large.
  const database = new Database(join(data, 'coordinator.db'));
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.close();
  const audit = await runCommand([main, 'state-hash', '--data-dir', dataDir]);
  // Opening writes: so of the folder that is left behind, not of the fixture.
  const store = await openStore(dataDir);
  const facts = await readFacts(store.reads);
  const kept = await readKept(store.artifacts, store.reads);
  await store.close();
  const known = { consumerKey: secret, artifact: artifact.sha256, waiting, idempotencyKey, job: id };
  const expected = { state: JSON.parse(audit.stdout) as unknown, known, facts, kept };
  await writeFile(join(folder, 'expected.json'), `${JSON.stringify(expected, null, 1)}\n`);
} finally {
  await life.close();
  await rm(dir, { recursive: true, force: true });
}
