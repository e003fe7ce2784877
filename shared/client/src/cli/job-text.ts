import { createReadStream } from 'node:fs';
import { apiLimits } from '@capacloud/protocol/routes';
import { CommandError, usageError } from './command-error.ts';

/** The text of a job file, or of standard input for `-`. Refuses what cannot be one, and says what it is instead. */
export async function readJobText(file: string): Promise<string> {
  const shown = file === '-' ? 'standard input' : file;
  return decode(await readBytes(file, shown), shown);
}

async function readBytes(file: string, shown: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of file === '-' ? process.stdin : createReadStream(file)) {
      parts.push(part as Buffer);
      length += (part as Buffer).length;
      if (length > apiLimits.bodyBytes)
        throw usageError(
          `${shown} is larger than a job file may be (${apiLimits.bodyBytes} bytes).`,
          'Is it the job file? What a job works on goes into inputs, which may be large.',
        );
    }
  } catch (error) {
    if (error instanceof CommandError || !(error instanceof Error) || !('code' in error)) throw error;
    throw usageError(`${shown} cannot be read: ${reasonOf(error.code)}.`, 'Check the path of the job file.');
  }
  return Buffer.concat(parts);
}

function reasonOf(code: unknown): string {
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EISDIR':
      return 'it is a folder';
    case 'EACCES':
      return 'it may not be read';
    default:
      return String(code);
  }
}

function decode(bytes: Buffer, shown: string): string {
  if (isUtf16(bytes))
    throw usageError(
      `${shown} is in UTF-16.`,
      'Save it as UTF-8: in PowerShell with Out-File -Encoding utf8, in Notepad with Save as, Encoding: UTF-8.',
    );
  const binary = usageError(
    `${shown} is not text in UTF-8.`,
    'A job file is YAML or JSON, saved as UTF-8. Is this the job file?',
  );
  // Neither YAML nor JSON may hold one, and programs and archives do.
  if (bytes.includes(0)) throw binary;
  try {
    // A byte-order mark is left out.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw binary;
  }
}

/** By its mark, or because every other byte of its beginning is 0, as in plain English saved without one. */
function isUtf16(bytes: Buffer): boolean {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  const start = bytes.subarray(0, 16);
  const zeros = (parity: number) => start.every((byte, index) => (byte === 0) === (index % 2 === parity));
  return start.length >= 4 && (zeros(0) || zeros(1));
}
