/** The version of the filter API, which moves by semver as that of handlers does; a manifest's `apiVersion` is a range over it. */
export const FILTER_API_VERSION = '1.0.0'
