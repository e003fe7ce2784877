// Strikes the tools of the root package from manifest and lockfile, for builds inside an image: pnpm installs the root package
// along with any other. The compiler stays, so that the lockfile's hash holds for it as well.
import { readFileSync, writeFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
manifest.devDependencies = { typescript: manifest.devDependencies.typescript };
writeFileSync('package.json', `${JSON.stringify(manifest, null, 2)}\n`);

const lock = readFileSync('pnpm-lock.yaml', 'utf8');
const tools = /(\n {2}\.:\n {4}devDependencies:\n)((?: {6}.*\n(?: {8}.*\n)+)+)/;
const entry = tools.exec(lock)?.[2]?.match(/ {6}typescript:\n(?: {8}.*\n)+/)?.[0];
if (entry === undefined)
  throw new Error('pnpm-lock.yaml does not name typescript among the tools of the root package');
writeFileSync(
  'pnpm-lock.yaml',
  lock.replace(tools, (_, head) => head + entry),
);
