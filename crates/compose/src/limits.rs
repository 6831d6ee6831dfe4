//! The limits of callers, as the settings say.

use crate::keys::redis_config;
use access::{Allowance, Limits, LimitsConfig, WithoutRedis};
use redis_link::InvalidAddress;
use settings::Settings;
use std::sync::Arc;

/// Starts to count. With Redis it waits for the first connection, at most as long as one call may take.
///
/// # Errors
/// If `REDIS_URL` is no address.
pub async fn open_limits(settings: &Settings) -> Result<Arc<Limits>, InvalidAddress> {
    let limits = &settings.limits;
    let config = LimitsConfig {
        default: Allowance {
            rate_per_minute: limits.rate_per_minute,
            burst: limits.burst,
            concurrent: limits.concurrent,
            cpu_seconds: limits.cpu_seconds,
            stored_bytes: limits.stored_bytes,
        },
        period: limits.period,
    };
    let Some(redis) = &limits.redis else { return Ok(Limits::local(config)) };
    let without_redis = if limits.refuse_without_redis { WithoutRedis::Refuse } else { WithoutRedis::Local };
    let link = redis_config(redis, redis.timeout)?;
    Ok(Limits::shared(config, link, &redis.prefix, without_redis).await)
}
