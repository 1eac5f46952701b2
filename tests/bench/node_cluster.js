// Node's own cluster, round robin: the primary accepts and hands over.
'use strict';
const cluster = require('cluster');

cluster.schedulingPolicy = cluster.SCHED_RR;
if (cluster.isPrimary) {
  for (let i = 0; i < Number(process.argv[3]); i++)
    cluster.fork();
} else {
  // The worker that reeve runs, too; here its listen() goes to the primary.
  require('../../conf/examples/web.js');
}
