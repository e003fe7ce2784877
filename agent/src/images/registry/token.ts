import Type from 'typebox';
import { Value } from 'typebox/value';

export interface Challenge {
  readonly realm: URL;
  readonly service: string | undefined;
}

const maxChallengeChars = 4096;

/** What `WWW-Authenticate: Bearer realm="…",service="…"` asks for; undefined for any other way to prove oneself. */
export function readChallenge(header: string): Challenge | undefined {
  if (header.length > maxChallengeChars || !/^bearer\s/i.test(header)) return undefined;
  const fields = new Map<string, string>();
  for (const [, name = '', quoted, plain] of header.matchAll(/([a-z]+)=(?:"([^"\\]*)"|([^\s",]+))/gi))
    fields.set(name.toLowerCase(), quoted ?? plain ?? '');
  const realm = URL.parse(fields.get('realm') ?? '');
  if (realm === null || !['http:', 'https:'].includes(realm.protocol)) return undefined;
  return { realm, service: fields.get('service') };
}

const TokenText = Type.String({ minLength: 1, maxLength: 64 * 1024, pattern: '^[\\x21-\\x7e]+$' });
const TokenSchema = Type.Object({
  token: Type.Optional(TokenText),
  access_token: Type.Optional(TokenText),
});

/** The token of an answer; undefined where it has none that can be sent. */
export function readToken(body: Buffer | undefined): string | undefined {
  try {
    const value: unknown = JSON.parse(body?.toString('utf8') ?? '');
    return Value.Check(TokenSchema, value) ? (value.token ?? value.access_token) : undefined;
  } catch {
    return undefined;
  }
}
