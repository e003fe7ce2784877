import { parentPort } from 'node:worker_threads';
import sodium from 'sodium-native';
import { answerQuestion } from './receipt-check.ts';

const port = parentPort;
if (port === null) throw new Error('receipt-thread runs as a worker thread');
// libsodium takes half as long for a signature as the portable code of OpenSSL.
port.on('message', (question: string) =>
  port.postMessage(answerQuestion(question, sodium.crypto_sign_verify_detached)),
);
