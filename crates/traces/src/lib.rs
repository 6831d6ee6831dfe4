//! OpenTelemetry traces of requests and executions, exported over OTLP (HTTP, protobuf).
//!
//! ```text
//! api     -> a request begins    -> Tracer::begin      its position in a trace: the client's, or a new one; sampled?
//! service -> record              -> Tracer (Observer)  span `execute`, and one for each phase
//! api     -> answer to a request -> Tracer::answered   span of the request
//!                                     |
//!                                     +-> bounded queue -> task: batches -> collector
//! ```
//! Spans are made when something has ended, from times that are measured anyway, and only where the trace is sampled. No
//! request waits for the collector: spans that do not fit into the queue are dropped, a batch that the collector does not
//! take in time is given up, and both are counted.
//!
//! No attribute has a text of a program: no code, no output, no name of a file.

mod client;
mod config;
mod exporter;
mod ids;
mod sampler;
mod span;
mod tracer;

pub use config::{Config, Header};
pub use exporter::Counts;
pub use resolver::ClientError;
pub use sampler::Sampler;
pub use tracer::{Request, Tracer};
