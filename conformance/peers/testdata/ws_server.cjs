// A server of package ws: node ws_server.cjs none|takeover|no-takeover
// It prints its port, and then how each connection ended.
'use strict';
const { WebSocketServer } = require('ws');

const deflate = {
  'none': false,
  'takeover': { threshold: 0 },
  'no-takeover': { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
}[process.argv[2]];

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  maxPayload: 2 << 20,
  perMessageDeflate: deflate,
  handleProtocols: (names) => (names.has('chat') ? 'chat' : false),
});
server.on('listening', () => console.log('port', server.address().port));
server.on('connection', (ws) => {
  ws.on('error', () => {});
  ws.on('close', (code, reason) => console.log(`closed ${code} ${reason}`.trim()));
  ws.on('message', (data, binary) => {
    const [, code, reason] = (!binary && /^close (\d+) (.*)$/.exec(data)) || [];
    if (code) {
      ws.close(+code, reason);
    } else if (!binary && data.equals(Buffer.from('ping me'))) {
      ws.once('pong', () => ws.send('pong'));
      ws.ping('server');
    } else if (!binary && data.equals(Buffer.from('fragments'))) {
      ws.send('fräg', { fin: false });
      ws.ping('between');
      ws.send('ments', { fin: true });
    } else {
      ws.send(data, { binary });
    }
  });
});
