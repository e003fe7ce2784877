import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';

const LoadLineSchema = Type.Object({ error: Type.Optional(Type.String()) });
type LoadLine = Static<typeof LoadLineSchema>;

const maxLineBytes = 64 * 1024;

/** The engine's messages while it takes an image, one JSON text a line. A line that is too long or no message is passed over. */
export async function* readLoadLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<LoadLine> {
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = (lines.pop() ?? '').slice(0, maxLineBytes);
    for (const line of lines) {
      const message = parseLine(line);
      if (message !== undefined) yield message;
    }
  }
  const last = parseLine(rest);
  if (last !== undefined) yield last;
}

function parseLine(line: string): LoadLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return Value.Check(LoadLineSchema, value) ? value : undefined;
  } catch {
    return undefined;
  }
}
