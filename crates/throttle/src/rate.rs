//! A bound on rows per second, by governor.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// In so many parts a second's worth of rows is paid.
const PARTS: u32 = 8;

/// Lets so many rows through in a second.
#[derive(Debug)]
pub(crate) struct RowRate {
    limiter: DefaultDirectRateLimiter,
    burst: NonZeroU32,
}

impl RowRate {
    /// `rows` per second, with bursts of a second's worth.
    pub(crate) fn per_second(rows: NonZeroU32) -> Self {
        Self {
            limiter: RateLimiter::direct(Quota::per_second(rows)),
            burst: rows,
        }
    }

    /// The rate.
    pub(crate) fn rows_per_second(&self) -> NonZeroU32 {
        self.burst
    }

    /// Waits until `rows` more may pass.
    ///
    /// A chunk's rows are known only after it ran, so it is paid for afterwards; the next one
    /// waits. It is paid in small parts: the limiter lets a burst through only when nobody else
    /// has paid for a second, which workers with smaller chunks could put off for ever.
    pub(crate) async fn pay(&self, rows: u64) {
        let largest = self.burst.get().div_ceil(PARTS);
        let mut left = rows;
        while left > 0 {
            let part = u32::try_from(left).unwrap_or(u32::MAX).min(largest);
            if let Some(part) = NonZeroU32::new(part)
                && self.limiter.until_n_ready(part).await.is_err()
            {
                unreachable!("a part is never over the burst");
            }
            left -= u64::from(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_than_a_burst_is_paid_in_parts() {
        let rate = RowRate::per_second(NonZeroU32::new(1_000_000).expect("not zero"));
        rate.pay(2_500_000).await;
        assert!(
            rate.limiter
                .check_n(rate.burst)
                .expect("within the burst")
                .is_err()
        );
    }
}
