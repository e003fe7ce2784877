import { expect, test } from 'vitest';
import { NodeContact } from './node-contact.ts';

test('a node counts as back after more than two missed heartbeats', () => {
  const contact = new NodeContact(1000, 5000);
  contact.hear(11_000);
  expect(contact).toMatchObject({ lastAt: 11_000, sinceAt: 1000 });
  contact.hear(21_001);
  expect(contact).toMatchObject({ lastAt: 21_001, sinceAt: 21_001 });
});
