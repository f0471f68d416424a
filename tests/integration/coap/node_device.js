// A device on node-coap. Reads requests as lines of JSON, {"id", "method", "url", "payload", "observe", "block"},
// and writes each answer, and each notification, as a line {"id", "code", "payload"}.
'use strict'

const coap = require('coap')
const dgram = require('dgram')
const readline = require('readline')

const METHODS = { get: 'GET', post: 'POST' }
// A socket of its own, as node-coap otherwise closes one before it has taken back its last observation.
const agent = new coap.Agent({ socket: dgram.createSocket('udp4') })
const streams = new Map()

const lines = readline.createInterface({ input: process.stdin })
lines.on('line', line => send(JSON.parse(line)))
lines.on('close', () => process.exit())

function send ({ id, method, url, payload, observe, block, stop }) {
  if (stop) return streams.get(stop).close(true)
  const { hostname, port, pathname, search } = new URL(url)
  const request = coap.request({
    agent, hostname, port, pathname, query: search.slice(1), method: METHODS[method], observe
  })
  // Told the size of blocks, node-coap sends in blocks; answers in blocks it puts together by itself.
  if (block !== undefined) request.setOption('Block1', Buffer.of(Math.log2(block) - 4))
  request.on('error', error => tell({ id, error: String(error) }))
  request.on('timeout', () => tell({ id, error: 'no answer' }))
  request.on('response', response => {
    if (!observe) return tell({ id, code: response.code, payload: String(response.payload) })
    streams.set(id, response)
    response.on('data', data => tell({ id, code: response.code, payload: String(data) }))
  })
  request.end(payload)
}

function tell (what) {
  process.stdout.write(JSON.stringify(what) + '\n')
}
