/** The software's version, from package.json when it was bundled; `dev` from the sources. */
export const VERSION: string = process.env['SIGNALBOX_BUILD_VERSION'] ?? 'dev'
