// What is put where something else belongs.

/** In text that becomes JSON, what stands for raw JSON that no value gives: see written() in api-fuzz-harness.ts. */
const RAW = '@raw:'
const DEPTH = 20_000
export const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e308,
    2 ** 53 + 2,
    -(2 ** 63),
    '',
    ' ',
    '0',
    'x'.repeat(70_000),
  ],
  ...['\0', 'a\0b', '\ud800', '\udfff x', '\u202e', '../..', '%00', '{{x}}', '${x}', '*', 'null'],
  ...['http://', 'http://[::1', 'file:///etc/passwd', 'http://a:b@c/?d#e', '9999-99-99T99:99:99Z'],
  ...[[], {}, [[]], [null], { '': '' }, { __proto__x: 1 }, Array.from({ length: 2_000 }, () => 1)],
  ...[`${RAW}1e999`, `${RAW}-0`, `${RAW}123456789012345678901234567890`, `${RAW}{"a":1,"a":2}`],
  ...[`${RAW}{"__proto__":{"admin":true}}`, `${RAW}{"constructor":{"prototype":1}}`],
  ...[`${RAW}${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`, `${RAW}NaN`, `${RAW}"\\u12"`, `${RAW}01`],
  `${RAW}${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`,
]
export const BYTES: readonly Buffer[] = [
  ...[
    '',
    '{',
    '[',
    '"',
    'nul',
    '{"id":',
    '<a/>',
    'a=b',
    '- a\n- b: [',
    '\u0000',
    '{}{}',
    '[]',
    '1',
  ],
  ...['\ufeff{}', 'a: &a [*a]\n', 'x: !!js/function "1"\n', '[a]\nb = \n', '%YAML 9.9\n---\n'],
]
  .map((text) => Buffer.from(text))
  .concat([
    Buffer.from([0xff, 0xfe, 0x7b, 0x7d]),
    Buffer.from([0x7b, 0x22, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
    Buffer.from('{"id":"\xe9"}', 'latin1'),
    Buffer.from(`{"spec":"${'y'.repeat(300_000)}"}`),
  ])
export const TYPES = [
  ...['text/plain', 'application/xml', 'application/json; charset=utf-16', 'application/json;;'],
  ...[
    'multipart/form-data',
    'application/yaml',
    'application/toml',
    'application/merge-patch+json',
  ],
  ...['', '/', 'application', 'application/json, text/plain', `a/${'b'.repeat(300)}`, '\x80\xff'],
  ...['application/json; charset="', 'APPLICATION/JSON'],
]
export const PATH_PARTS = [
  ...['%', '%z', '%zz', '%00', '%ff', '%c0%80', '%ed%a0%80', '%2F', '%2e%2e', '..', '.', ' ', ''],
  ...[
    '%F0%9F%98%80',
    '\u00e9',
    '*',
    'a'.repeat(64),
    'a'.repeat(600),
    '%41'.repeat(400),
    ':id',
    '{id}',
  ],
  ...[
    'a;b',
    'a%3Fb',
    'a%23',
    '-1',
    '99999999999999999999',
    'NaN',
    '__proto__',
    'constructor',
    '1e3',
  ],
]
export const QUERY_VALUES = [
  ...[
    '',
    '%',
    '%ff',
    '%00',
    '%ed%a0%80',
    '-1',
    '0',
    '1e9',
    '99999999999999999999',
    'NaN',
    'true,',
    '[]',
  ],
  ...[
    'a'.repeat(5_000),
    '*',
    '2020-13-45T00:00:00Z',
    '+275761-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ],
  ...[
    '0000-01-01T00:00:00Z',
    '-000001-01-01T00:00:00Z',
    '9999-12-31T23:59:59-23:59',
    '0001-01-01T00:00:00%2B14:00',
    'eyJyZXZpc2lvbiI6LTF9',
    'e30',
    'bnVsbA',
  ],
  ...[
    'eyJyZXZpc2lvbiI6MWU5OSwiYWZ0ZXIiOiJhIn0',
    '=',
    ':',
    '%25',
    "'",
    '_',
    '\\',
    'policy',
    '-5s',
    '1ms',
  ],
]
export const HEADER_VALUES = [
  ...[
    '',
    ' ',
    '"',
    '""',
    'W/"1"',
    '"99999999999999999999"',
    '"-1"',
    '"1", "2"',
    '*, *',
    '0',
    'null',
  ],
  ...[
    'a'.repeat(256),
    'a'.repeat(9_000),
    'b'.repeat(20_000),
    '\xff\xfe',
    '%',
    '%00',
    '%ed%a0%80',
    '\t',
  ],
  ...['%c0', 'a\x01b', 'a\x00b', 'api', 'system', '\x7f', '=?utf-8?q?x?='],
]
export const LINES = [
  ...['GET', 'POST /', 'GET / HTTP/9.9', 'FOO / HTTP/1.1', 'get / HTTP/1.1', 'GET  /  HTTP/1.1'],
  ...[
    'PRI * HTTP/2.0',
    '\x16\x03\x01',
    'GET http://[ HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET // HTTP/1.1',
  ],
  ...[
    'TRACE /admin/v1/backends HTTP/1.1',
    'CONNECT a:1 HTTP/1.1',
    'PUT /admin/v1/backends HTTP/1.1',
  ],
  ...[
    'HEAD /admin/v1/backends/%ff HTTP/1.1',
    `GET /${'a'.repeat(20_000)} HTTP/1.1`,
    'GET ? HTTP/1.1',
  ],
]
export const ODD_HEADERS = [
  ...['transfer-encoding: gzip', 'transfer-encoding: chunked', 'content-length: -1', 'expect: x'],
  ...[
    'content-length: 5\r\ncontent-length: 6',
    'no colon',
    ': x',
    ' folded: x',
    'content-encoding: gzip',
  ],
  ...['host: a\r\nhost: b', 'connection: upgrade\r\nupgrade: h2c', 'authorization: Basic eDp5'],
  ...[
    'authorization: Bearer',
    'authorization: Bearer \xff',
    `x: ${'y'.repeat(70_000)}`,
    'accept: \xff',
  ],
  Array.from({ length: 2_500 }, (_, index) => `x-${index}: 1`).join('\r\n'),
]
