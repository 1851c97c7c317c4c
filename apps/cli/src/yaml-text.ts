// The package is CommonJS: imported late, and bundled, its names would be those of its default.
export { parse, stringify } from 'yaml'
