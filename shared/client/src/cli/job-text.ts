import { createReadStream } from 'node:fs';
import { apiLimits } from '@capacloud/protocol/routes/routes';
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
    case 'ENOTDIR':
      return 'a part of its path is no folder';
    case 'ELOOP':
      return 'its links lead in a circle';
    case 'ENAMETOOLONG':
      return 'its name is too long';
    default:
      return `the system says ${String(code)}`;
  }
}

function decode(bytes: Buffer, shown: string): string {
  const width = wideEncoding(bytes);
  if (width !== undefined)
    throw usageError(
      `${shown} is in ${width}.`,
      'Save it as UTF-8: in PowerShell with Out-File -Encoding utf8, in Notepad with Save as, Encoding: UTF-8.',
    );
  const isProgram = bytes.includes(0);
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  const wrong = isProgram ? 0 : firstDifference(bytes, Buffer.from(text));
  if (isProgram || wrong !== undefined)
    throw usageError(
      `${shown} is not text in UTF-8.${isProgram ? '' : wrongByte(bytes, wrong ?? 0)}`,
      'A job file is YAML or JSON, saved as UTF-8. Is this the job file?',
    );
  // Each of them ends a line in YAML, and the reader takes no carriage return alone for one.
  return text.replace(/^\ufeff/, '').replace(/\r(?!\n)/g, '\n');
}

/** Where the bytes are no UTF-8: they do not come back out of the text. */
function firstDifference(bytes: Buffer, again: Buffer): number | undefined {
  if (bytes.equals(again)) return undefined;
  const at = bytes.findIndex((byte, index) => byte !== again[index]);
  return at < 0 ? bytes.length : at;
}

/** Where it stands, for a file that is text in another encoding; nothing for what is no text. */
function wrongByte(bytes: Buffer, at: number): string {
  const before = bytes.subarray(0, at).toString('utf8');
  if (/\p{Cc}/u.test(before.replace(/[\t\n\f\r]/g, ''))) return '';
  const line = before.split('\n').length;
  const column = before.length - before.lastIndexOf('\n');
  const byte = (bytes[at] ?? 0).toString(16).toUpperCase().padStart(2, '0');
  return ` Line ${line}, column ${column} has the byte ${byte}, as another encoding such as Windows-1252 writes it.`;
}

/** Text of the job files that are meant is mostly ASCII, so that in wide encodings most bytes of some columns are 0. */
const sampledBytes = 4096;

/** The encoding by its mark, or by the columns of zeros that most of it has. */
function wideEncoding(bytes: Buffer): 'UTF-16' | 'UTF-32' | undefined {
  const mark = bytes.subarray(0, 4).toString('hex');
  if (mark === 'fffe0000' || mark === '0000feff') return 'UTF-32';
  if (/^(?:fffe|feff)/.test(mark)) return 'UTF-16';
  const start = bytes.subarray(0, sampledBytes);
  if (start.length < 4) return undefined;
  const zeros = [0, 1, 2, 3].map((column) => {
    const own = start.filter((_, index) => index % 4 === column);
    return own.filter((byte) => byte === 0).length / own.length;
  });
  const full = zeros.filter((share) => share > 0.3).length;
  if (full === 3) return 'UTF-32';
  const [first = 0, second = 0, third = 0, fourth = 0] = zeros;
  const isTwo = (some: number, others: number) => some > 0.6 && others < 0.1;
  return full === 2 && (isTwo(first + third, second + fourth) || isTwo(second + fourth, first + third))
    ? 'UTF-16'
    : undefined;
}
