/** Tests run from the TypeScript sources, transpiled file by file; types are checked by `npm run build`. */
const swc = ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs', ignoreDynamic: true } }]
const project = (displayName, testMatch, more = {}) => ({
  displayName,
  rootDir: __dirname,
  testMatch: testMatch.map((m) => `<rootDir>/${m}`),
  testEnvironment: 'node',
  transform: { '\\.tsx?$': swc },
  moduleNameMapper: {
    '^@tcmu/host/(filter|handler|scsi|state|testing)$': '<rootDir>/packages/host/src/$1/index.ts',
    '^@tcmu/host$': '<rootDir>/packages/host/src/index.ts',
    '^@tcmu/native$': '<rootDir>/native/index.ts',
    '^@tcmu/native/([a-z]+)$': '<rootDir>/native/$1.ts',
    '^@tcmu/(iscsi|filters|handler-[a-z-]+)$': '<rootDir>/packages/$1/src/index.ts',
  },
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/'],
  ...more,
})

module.exports = {
  // Only for what hangs: how long a thing may take, a test says itself.
  testTimeout: 900_000,
  projects: [
    project('unit', ['packages/*/src/**/*.test.ts', 'test/*.test.ts']),
    project('scsi', ['test/scsi/**/*.test.ts']),
    project('conformance', ['test/conformance/**/*.test.ts', 'test/docs-examples/**/*.test.ts']),
    project('library', ['test/library/**/*.test.ts', 'test/examples/**/*.test.ts']),
    project('authors', ['test/authors/**/*.test.ts']),
    project('abi', ['test/abi/**/*.test.ts']),
    project('plugins', ['test/plugins/**/*.test.ts']),
    project('qcow', ['test/qcow/**/*.test.ts']),
    project('native', ['test/native/**/*.test.ts']),
    project('fuzz', ['test/fuzz/**/*.test.ts']),
    project('dbus', ['test/dbus/**/*.test.ts']),
    project('bench', ['test/bench/**/*.test.ts']),
    project('packaging', ['test/packaging/**/*.test.ts']),
    project('iscsi', ['test/iscsi/**/*.test.ts']),
    project('backends', ['test/backends/**/*.test.ts']),
    project('kernel', ['test/kernel/**/*.test.ts'], { globalSetup: '<rootDir>/scripts/kernel-vm.mjs' }),
  ],
}
