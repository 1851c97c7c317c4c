import js from '@eslint/js'
import tseslint from 'typescript-eslint'

const PURE_ROOMS = ['model', 'control', 'routing', 'dialects']
const noInPureRooms = [
  ['Date', 'time comes in as an argument (nowMs)'],
  ['process', 'configuration comes in as an argument'],
  ['setTimeout', 'pure rooms decide, shells wait'],
  ['setInterval', 'pure rooms decide, shells wait'],
  ['setImmediate', 'pure rooms decide, shells wait'],
  ['fetch', 'pure rooms do no I/O'],
  ['crypto', 'randomness comes in as an argument'],
].map(([name, message]) => ({ name, message }))

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '.nx/**',
      '.signalbox/**',
      'libs/store/src/generated/**',
      'apps/console/src/generated/**',
      'bench/results/**',
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        Buffer: 'readonly',
        URL: 'readonly',
        URLSearchParams: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        setImmediate: 'readonly',
        clearImmediate: 'readonly',
        performance: 'readonly',
        fetch: 'readonly',
        TextDecoder: 'readonly',
        TextEncoder: 'readonly',
        structuredClone: 'readonly',
        queueMicrotask: 'readonly',
        AbortController: 'readonly',
        AbortSignal: 'readonly',
        crypto: 'readonly',
        WebAssembly: 'readonly',
        atob: 'readonly',
        btoa: 'readonly',
      },
    },
    rules: {
      eqeqeq: ['error', 'always'],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
      'max-params': ['error', 3],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'max-lines': ['error', { max: 400 }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', prefer: 'type-imports' },
      ],
    },
  },
  {
    files: ['apps/console/**'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'document',
          'location',
          'localStorage',
          'navigator',
          'matchMedia',
          'addEventListener',
          'removeEventListener',
          'EventSource',
          'FormData',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['**/*.spec.ts', '**/*.contract.ts', '**/*harness.ts', 'test/**'],
    rules: { 'max-lines-per-function': 'off', 'max-params': 'off' },
  },
  {
    files: ['*.config.mjs', 'tools/*.mjs', '**/prisma.config.ts', '**/*.d.ts'],
    rules: { 'no-restricted-exports': 'off' },
  },
  {
    files: PURE_ROOMS.map((room) => `libs/${room}/src/**/*.ts`),
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-globals': ['error', ...noInPureRooms],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'randomness comes in as an argument' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportDeclaration[source.value=/^node:/]',
          message: 'pure rooms import no Node module',
        },
        { selector: 'AwaitExpression', message: 'pure rooms are synchronous' },
      ],
    },
  },
)
