// A client of package ws: node ws_client.cjs URL none|takeover|no-takeover
// It prints one line per case.
'use strict';
const assert = require('node:assert');
const WebSocket = require('ws');

const [, , url, mode] = process.argv;
const deflate = {
  'none': false,
  'takeover': { threshold: 0 },
  'no-takeover': { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
}[mode];

// open gives a connection, and what waits for its next event.
async function open() {
  const ws = new WebSocket(url, ['other', 'chat'], { perMessageDeflate: deflate, handshakeTimeout: 10000 });
  const once = (name) => new Promise((resolve, reject) => {
    ws.once(name, (...args) => resolve(args));
    if (name !== 'close') ws.once('close', (code, reason) => reject(new Error(`closed ${code} ${reason}`)));
  });
  ws.on('error', (err) => console.log('error', err.message));
  await once('open');
  return { ws, once };
}

// sample is n letters that compress, and differ from sample to sample.
function sample(n, seed) {
  const words = Array.from({ length: 50 }, (_, i) => `word${(i * 7919 + seed * 31) % 1009} `).join('');
  return words.repeat(Math.ceil(n / words.length)).slice(0, n);
}

async function echo({ ws, once }) {
  for (let round = 0; round < 3; round++) {
    for (const n of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
      const text = sample(n, n + round);
      for (const data of [text, Buffer.from(text)]) {
        ws.send(data);
        const [got, binary] = await once('message');
        assert.strictEqual(binary, data !== text);
        assert.ok(got.equals(Buffer.from(text)), `${n} bytes came back different`);
      }
    }
  }
  console.log('echo ok');
}

async function fragments({ ws, once }) {
  const pong = once('pong');
  ws.send('fräg', { fin: false });
  ws.ping('between');
  ws.send('', { fin: false });
  ws.send('ments', { fin: true });
  const [got] = await once('message');
  assert.strictEqual(got.toString(), 'frägments');
  assert.strictEqual((await pong)[0].toString(), 'between');
  console.log('fragments ok');
}

async function ping({ ws, once }) {
  ws.ping('hello');
  assert.strictEqual((await once('pong'))[0].toString(), 'hello');
  console.log('ping ok');
  ws.send('ping me');
  assert.strictEqual((await once('message'))[0].toString(), 'pong');
  console.log('pinged ok');
}

async function closes() {
  for (const act of [
    (ws) => ws.send('close 4001 why'),
    (ws) => ws.close(4002, 'bye'),
    (ws) => ws.close(),
    (ws) => ws.send(Buffer.alloc((2 << 20) + 1)),
  ]) {
    const { ws, once } = await open();
    const closed = once('close');
    act(ws);
    const [code, reason] = await closed;
    console.log(`closed ${code} ${reason}`.trim());
  }
}

async function main() {
  const c = await open();
  console.log('sub-protocol', c.ws.protocol);
  console.log('extension', c.ws.extensions.split(';')[0] || 'none');
  await echo(c);
  await fragments(c);
  await ping(c);
  c.ws.terminate();
  await closes();
}

main().catch((err) => { console.error(err); process.exit(1); });
