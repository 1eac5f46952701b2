/*
 * web.js - an HTTP worker in Node, many copies of which share one port.
 *
 * The same as web.c, with what Node has built in.  Under reeve it gets its
 * listening socket as fd 3 (LISTEN_FDS), and says that it is ready by a
 * newline on fd 4, because Node has no Unix datagrams for sd_notify: so the
 * program's section says "ready = fd:4", and READY_FD=4 tells us.
 *
 * By hand, without a supervisor: node web.js PORT
 */
'use strict';
const fs = require('fs');
const http = require('http');
const net = require('net');

const name = `${process.env.REEVE_PROGRAM || 'web'}.${process.env.REEVE_SLOT || 0}`;
const hello = `Hello from ${name}, pid ${process.pid}\n`;
const DRAIN_MS = 1000;
let draining = false;

const server = http.createServer((req, res) => {
  let status = 200, body = hello;

  if (req.url !== '/' && !req.url.startsWith('/?')) {
    [status, body] = [404, 'not found\n'];
  } else if (req.method !== 'GET' && req.method !== 'HEAD') {
    [status, body] = [405, 'only GET and HEAD\n'];
    res.setHeader('Allow', 'GET, HEAD');
  }
  if (draining)
    res.setHeader('Connection', 'close');
  res.setHeader('Content-Type', 'text/plain');
  res.setHeader('Content-Length', body.length);
  res.writeHead(status);
  res.end(body);
});

/* The default of 5 s ends connections just when a client uses them again. */
server.keepAliveTimeout = 60000;

/*
 * Accept nothing more, answer what is under way, exit when the last
 * connection is gone.  http's own close() would at once end the connections
 * that are idle, and lose a request that is on its way on one of them; net's
 * close() leaves them alone.  They get DRAIN_MS for their next request, whose
 * answer says "Connection: close".  A second signal waits for nobody.
 */
function drain() {
  if (draining)
    process.exit(1);
  draining = true;
  net.Server.prototype.close.call(server, () => process.exit(0));
  setInterval(() => server.closeIdleConnections(), DRAIN_MS);
}

process.on('SIGTERM', drain);
process.on('SIGINT', drain);

const inherited = Number(process.env.LISTEN_PID) === process.pid &&
    Number(process.env.LISTEN_FDS) > 0;

if (!inherited && !process.argv[2]) {
  console.error('usage: node web.js PORT');
  process.exit(2);
}
server.listen(inherited ? { fd: 3 } : { host: '127.0.0.1', port: Number(process.argv[2]) },
  () => {
    if (process.env.READY_FD) {
      fs.writeSync(Number(process.env.READY_FD), '\n');
      fs.closeSync(Number(process.env.READY_FD));
    }
  });
