//! Limits of one caller: requests per time, concurrent requests, CPU seconds and stored bytes per period.
//!
//! ```text
//! caller, own limits of its key -> terms: numbers of microseconds
//!   running: concurrent requests, of this process
//!   shared:  levels in Redis, one script, one round trip         REDIS_URL
//!   table:   levels in memory                                    without it, and while Redis is away
//! ```
//! Rate and quotas have one formula, [`levels`]: the generic cell rate algorithm (GCRA). A level is the time until
//! everything that a caller used is free again. So a caller is one number for each limit, nothing has to be
//! reset at the end of a period, and whoever used nothing may use a whole period's quota at once.
//!
//! A request takes its part of the rate when it is admitted. What its program costs is known only when it has
//! ended, and is charged then: a caller is refused while it has used its whole quota, and what its programs took
//! beyond that is a debt.

mod levels;
mod limiter;
mod running;
mod shared;
mod table;
mod terms;

pub use limiter::{Entered, Limits, LimitsSnapshot, WithoutRedis};
pub use terms::{Allowance, Caller, Limit, Limited, LimitsConfig, Over, RATE_MAX, Standing};
