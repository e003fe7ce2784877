// Puts the pinned pnpm at a path, for builds inside an image: node scripts/images/fetch-pnpm.mjs /usr/local/bin/pnpm
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchVerified } from '../verified-package.mjs';

const [target] = process.argv.slice(2);
const { toolchain } = JSON.parse(readFileSync('package.json', 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'pnpm-'));
const name = `@pnpm/exe.${process.platform}-${process.arch}`;
const unpacked = fetchVerified({
  name,
  version: toolchain.pnpm,
  hashes: toolchain.integrity,
  folder,
  env: process.env,
});
copyFileSync(join(unpacked, 'pnpm'), target);
rmSync(folder, { recursive: true });
