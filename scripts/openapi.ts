import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { openApiDocument } from '@capacloud/coordinator/api/openapi';
import packageFile from '../coordinator/service/package.json' with { type: 'json' };

/** Writes the API description that is committed; a test fails when it is not what the routes say. */
const path = fileURLToPath(new URL('../coordinator/service/openapi.json', import.meta.url));
await writeFile(path, `${JSON.stringify(openApiDocument(packageFile.version), null, 2)}\n`);
