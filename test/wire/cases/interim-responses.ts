import { head, OK, OK_ANSWER, type WireCase } from '../wire-case.ts'

const GET = head('GET /x HTTP/1.1', 'Host: localhost')
const ARRIVES = [{ line: 'GET /x HTTP/1.1' }] as const
const HINTS = head('HTTP/1.1 103 Early Hints', 'Link: </style.css>; rel=preload')

export const INTERIM_RESPONSES: readonly WireCase[] = [
  {
    name: 'Early hints come back before the answer',
    rfc: '8297 2',
    sends: GET,
    arrives: ARRIVES,
    upstream: { answers: `${HINTS}${OK_ANSWER}` },
    comesBack: [
      { line: 'HTTP/1.1 103 Early Hints', fields: ['Link: </style.css>; rel=preload'] },
      OK,
    ],
    connection: 'stays',
  },
  {
    name: 'All of them do',
    rfc: '9110 15.2',
    sends: GET,
    arrives: ARRIVES,
    upstream: {
      answers: `${HINTS}${head('HTTP/1.1 103 Early Hints', 'Link: </a.js>', 'Link: </b.js>')}${OK_ANSWER}`,
    },
    comesBack: [
      { line: 'HTTP/1.1 103 Early Hints', fields: ['Link: </style.css>; rel=preload'] },
      { line: 'HTTP/1.1 103 Early Hints', fields: ['Link: </a.js>', 'Link: </b.js>'] },
      OK,
    ],
    connection: 'stays',
  },
  {
    name: '102 comes back like any other interim response',
    rfc: '9110 15.2',
    sends: GET,
    arrives: ARRIVES,
    upstream: { answers: `${head('HTTP/1.1 102 Processing')}${OK_ANSWER}` },
    comesBack: [{ line: 'HTTP/1.1 102 Processing' }, OK],
    connection: 'stays',
  },
  {
    name: 'So does one that nobody knows, though without its reason (known gap)',
    rfc: '9110 15.2',
    sends: GET,
    arrives: ARRIVES,
    upstream: { answers: `${head('HTTP/1.1 199 Odd', 'X-Kept: caf\xe9')}${OK_ANSWER}` },
    comesBack: [{ line: 'HTTP/1.1 199 unknown', fields: ['X-Kept: caf\xe9'] }, OK],
    connection: 'stays',
  },
  {
    name: 'What an interim response says of its connection stays there',
    rfc: '9110 7.6.1',
    sends: GET,
    arrives: ARRIVES,
    upstream: {
      answers: `${head('HTTP/1.1 103 Early Hints', 'Connection: X-Hop', 'X-Hop: 1', 'Keep-Alive: timeout=9', 'Link: </a>')}${OK_ANSWER}`,
    },
    comesBack: [
      { line: 'HTTP/1.1 103 Early Hints', fields: ['Link: </a>'], lacks: [/^keep-alive:/i] },
      OK,
    ],
  },
  {
    name: 'A client of HTTP/1.0 gets no interim response',
    rfc: '9110 15.2',
    sends: head('GET /x HTTP/1.0', 'Host: localhost'),
    arrives: ARRIVES,
    upstream: { answers: `${HINTS}${OK_ANSWER}` },
    comesBack: [OK],
    connection: 'closes',
  },
  {
    name: 'Nor does one that keeps its connection',
    rfc: '9110 15.2',
    sends: head('GET /x HTTP/1.0', 'Host: localhost', 'Connection: keep-alive'),
    arrives: ARRIVES,
    upstream: { answers: `${HINTS}${OK_ANSWER}` },
    comesBack: [OK],
  },
  {
    name: 'Interim responses come before the answer to HEAD too',
    rfc: '9110 15.2',
    sends: head('HEAD /x HTTP/1.1', 'Host: localhost'),
    arrives: [{ line: 'HEAD /x HTTP/1.1' }],
    upstream: { answers: `${HINTS}${head('HTTP/1.1 200 OK', 'Content-Length: 9')}` },
    comesBack: [
      { line: 'HTTP/1.1 103 Early Hints', fields: ['Link: </style.css>; rel=preload'] },
      { line: 'HTTP/1.1 200 OK', fields: ['Content-Length: 9'] },
    ],
    connection: 'stays',
  },
  {
    name: 'A 100 that nobody asked for ends here',
    rfc: '9110 15.2.1',
    sends: GET,
    arrives: ARRIVES,
    upstream: { answers: `${head('HTTP/1.1 100 Continue')}${OK_ANSWER}` },
    comesBack: [OK],
    connection: 'stays',
  },
  {
    name: 'An upstream that changes the protocol without being asked is broken',
    rfc: '9110 15.2.2',
    sends: GET,
    arrives: ARRIVES,
    upstream: {
      answers: `${head('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: h2c')}${OK_ANSWER}`,
    },
    comesBack: 'failure',
    connection: 'stays',
  },
]
