//! HTTP: routes, errors, documentation pages. Knows the service, not the executors.
