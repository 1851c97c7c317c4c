// Jest runs the TypeScript sources as ES modules; swc strips the types (no type check here: `npm run lint` does that).
export default {
  rootDir: import.meta.dirname,
  testMatch: ['<rootDir>/{apps,libs}/*/src/**/*.spec.ts', '<rootDir>/test/**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: 'node',
  moduleNameMapper: { '^fast-check$': '<rootDir>/tools/fast-check.mjs' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: false },
        },
        module: { type: 'es6' },
      },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.nx', '<rootDir>/.signalbox'],
  globalSetup: '<rootDir>/tools/jest-setup.mjs',
  globalTeardown: '<rootDir>/tools/jest-teardown.mjs',
  // Most of a suite is waiting for processes: two halve the time on two cores.
  maxWorkers: 2,
  testTimeout: 180_000,
  reporters: ['default', '<rootDir>/tools/jest-reporter.mjs'],
}
