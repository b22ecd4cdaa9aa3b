import { expect, test } from 'vitest'
import { createNoProxyMatcher } from '../../../src/lib/no-proxy.ts'

test.for([
  ['', 'https://example.com', false],
  [' , ,', 'https://example.com', false],
  ['*', 'https://example.com', true],
  ['other.invalid, *', 'https://example.com', true],
  ['*:443', 'https://example.com', true],
  ['*:80', 'https://example.com', false],
  ['example.com', 'https://example.com', true],
  ['EXAMPLE.com', 'https://example.COM', true],
  ['example.com', 'https://example.com.', true],
  ['example.com.', 'https://example.com', true],
  ['example.com', 'https://api.example.com', true],
  ['example.com', 'https://badexample.com', false],
  ['example.com', 'https://example.com.evil.test', false],
  ['.example.com', 'https://example.com', true],
  ['.example.com', 'https://api.example.com', true],
  ['*.example.com', 'https://example.com', false],
  ['*.example.com', 'https://api.example.com', true],
  ['a.test b.test\tc.test', 'https://b.test', true],
  ['example.com:443', 'https://example.com', true],
  ['example.com:443', 'http://example.com', false],
  ['example.com:8443', 'https://example.com:8443', true],
  ['example.com:8443', 'https://example.com', false],
  ['127.0.0.1', 'http://127.0.0.1:9000', true],
  ['10.0.0.0/8', 'http://10.1.2.3', false],
  ['::1', 'http://[::1]:9000', true],
  ['[::1]', 'http://[::1]:9000', true],
  ['[::1]:9000', 'http://[::1]:9000', true],
  ['[::1]:9001', 'http://[::1]:9000', false],
] as const)('NO_PROXY=%j exempts %s: %s', ([noProxy, url, isExempt]) => {
  expect(createNoProxyMatcher(noProxy)(new URL(url))).toBe(isExempt)
})
