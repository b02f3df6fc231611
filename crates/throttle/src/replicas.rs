//! What `pg_stat_replication` says about replicas, and whether it can be believed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// WAL that a replica may be behind and still count as caught up. The primary flushes whole pages
/// in the middle of a record, whose rest may come much later.
const SLACK: u64 = 64 * 1024;

/// Looks that are remembered: 17 minutes of them.
const LOOKS: usize = 4096;

/// One walsender.
#[derive(Debug, Clone)]
pub(crate) struct Walsender {
    /// What its replica calls itself.
    pub(crate) name: String,
    /// Where the replica is; `None` on a socket.
    pub(crate) address: Option<String>,
    /// Its physical slot.
    pub(crate) slot: Option<String>,
    /// Whether our role may see the other columns.
    pub(crate) visible: bool,
    /// Up to where the replica has replayed; `None` for whoever only receives.
    pub(crate) replayed: Option<u64>,
    /// The lag as the server has measured it.
    pub(crate) lag: Option<Duration>,
}

impl Walsender {
    /// What stays the same when the replica connects again.
    fn identity(&self) -> String {
        match (&self.slot, &self.address) {
            (Some(slot), _) => format!("slot {slot}"),
            (None, Some(address)) => format!("{} at {address}", self.name),
            (None, None) => self.name.clone(),
        }
    }
}

/// What one look told about all replicas.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Lag {
    /// The slowest replica of those whose lag is known.
    pub(crate) worst: Option<Worst>,
    /// What is not known, and what to do about it.
    pub(crate) unknown: Option<String>,
}

/// The slowest replica.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Worst {
    /// Its name.
    pub(crate) replica: String,
    /// How far it is behind.
    pub(crate) lag: Duration,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    /// When the primary had flushed up to which position; both grow.
    looks: VecDeque<(Instant, u64)>,
    /// Names by identity. One that is missing later is unknown, not gone: a replica whose
    /// walsender died is as far behind as can be.
    known: BTreeMap<String, String>,
}

impl Replicas {
    /// Judges one look, at which the primary had flushed up to `flushed`. `role` is who looks,
    /// `migration` for whom: both for the messages.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        flushed: u64,
        walsenders: &[Walsender],
        (role, migration): (&str, &str),
    ) -> Lag {
        self.note(now, flushed);
        let mut lag = Lag::default();
        let mut missing = self.known.clone();
        let mut slowest = u64::MAX;
        for walsender in walsenders {
            if !walsender.visible {
                lag.unknown = Some(format!(
                    "{role} may not see the lag of replicas; grant it pg_read_all_stats, \
                     `crossfade grants` prints the SQL"
                ));
                continue;
            }
            // Connected, but no replica: it archives WAL, takes a backup, or asked for nothing
            // yet. A replica tells how far it is as soon as it streams.
            let Some(replayed) = walsender.replayed else {
                continue;
            };
            let identity = walsender.identity();
            missing.remove(&identity);
            self.known.insert(identity, walsender.name.clone());
            slowest = slowest.min(replayed);
            match self.lag_of(walsender, replayed, now, flushed) {
                Some(measured) if lag.worst.as_ref().is_none_or(|worst| worst.lag < measured) => {
                    lag.worst = Some(Worst {
                        replica: walsender.name.clone(),
                        lag: measured,
                    });
                }
                Some(_) => {}
                None => {
                    lag.unknown = Some(format!("replica {} reports no lag", walsender.name));
                }
            }
        }
        self.forget(slowest);
        if let Some(name) = missing.values().next()
            && lag.unknown.is_none()
        {
            lag.unknown = Some(format!(
                "replica {name} is gone; if it was removed on purpose, `crossfade set {migration} \
                 max_replica_lag=...` forgets it, when it gives another limit or off"
            ));
        }
        lag
    }

    /// The lag of a replica; `None` where it is behind and nothing tells for how long.
    ///
    /// The server's measure alone would not do: it stands still while a replica sends nothing, and
    /// stays after it has caught up. So the time counts, too, for which the replica has been short
    /// of a position that an earlier look saw.
    fn lag_of(
        &self,
        walsender: &Walsender,
        replayed: u64,
        now: Instant,
        flushed: u64,
    ) -> Option<Duration> {
        if replayed >= flushed {
            return Some(Duration::ZERO);
        }
        let reach = replayed.saturating_add(SLACK);
        let short_since = self
            .looks
            .iter()
            .find(|(_, at)| *at > reach)
            .map(|(when, _)| *when);
        let short_for = short_since.map_or(Duration::ZERO, |when| now.duration_since(when));
        match walsender.lag {
            Some(lag) => Some(lag.max(short_for)),
            // A burst that came after the last look, of which no word can be back yet.
            None if short_since == Some(now) && self.looks.len() > 1 => Some(Duration::ZERO),
            None if short_since.is_some() => None,
            None => Some(Duration::ZERO),
        }
    }

    fn note(&mut self, now: Instant, flushed: u64) {
        if self.looks.back().is_some_and(|(_, at)| *at >= flushed) {
            return;
        }
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((now, flushed));
    }

    /// Forgets looks that all replicas have passed, but for the last one.
    fn forget(&mut self, slowest: u64) {
        while self.looks.len() > 1 && self.looks.front().is_some_and(|(_, at)| *at <= slowest) {
            self.looks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1024 * 1024;
    const LOOK: Duration = Duration::from_millis(250);

    /// Looks in a row, each 250 ms after the one before.
    struct Looks {
        replicas: Replicas,
        now: Instant,
    }

    impl Looks {
        fn new() -> Self {
            Self {
                replicas: Replicas::default(),
                now: Instant::now(),
            }
        }

        fn look(&mut self, flushed: u64, walsenders: &[Walsender]) -> Lag {
            self.now += LOOK;
            self.replicas
                .judge(self.now, flushed, walsenders, ("alice", "orders"))
        }
    }

    fn replica(name: &str, replayed: u64, lag_ms: Option<u64>) -> Walsender {
        Walsender {
            name: name.to_owned(),
            address: None,
            slot: None,
            visible: true,
            replayed: Some(replayed),
            lag: lag_ms.map(Duration::from_millis),
        }
    }

    fn known(name: &str, lag_ms: u64) -> Lag {
        let lag = Duration::from_millis(lag_ms);
        Lag {
            worst: Some(Worst {
                replica: name.to_owned(),
                lag,
            }),
            unknown: None,
        }
    }

    #[test]
    fn the_worst_replica_wins_and_none_is_fine() {
        let mut looks = Looks::new();
        assert_eq!(looks.look(MB, &[]), Lag::default());
        let all = [
            replica("a", MB - 1, Some(20)),
            replica("b", MB - 1, Some(700)),
            replica("c", MB - 1, Some(30)),
        ];
        assert_eq!(looks.look(MB, &all), known("b", 700));
    }

    #[test]
    fn a_replica_that_has_caught_up_has_no_lag_whatever_was_measured_before() {
        let mut looks = Looks::new();
        assert_eq!(
            looks.look(MB, &[replica("a", MB, Some(9000))]),
            known("a", 0)
        );
        assert_eq!(looks.look(MB, &[replica("a", MB, None)]), known("a", 0));
    }

    #[test]
    fn a_replica_that_falls_silent_falls_behind_by_our_own_clock() {
        let mut looks = Looks::new();
        looks.look(MB, &[replica("a", MB, Some(1))]);
        assert_eq!(
            looks.look(2 * MB, &[replica("a", MB, Some(1))]),
            known("a", 1)
        );
        assert_eq!(
            looks.look(3 * MB, &[replica("a", MB, Some(1))]),
            known("a", 250)
        );
        assert_eq!(
            looks.look(3 * MB, &[replica("a", MB, Some(1))]),
            known("a", 500)
        );
        // It has passed the first of those positions, and is short of the second.
        assert_eq!(
            looks.look(4 * MB, &[replica("a", 2 * MB, Some(1))]),
            known("a", 500)
        );
        assert_eq!(
            looks.look(4 * MB, &[replica("a", 4 * MB, Some(1))]),
            known("a", 0)
        );
    }

    #[test]
    fn no_lag_while_wal_is_outstanding_is_unknown_after_a_look() {
        let mut looks = Looks::new();
        looks.look(MB, &[replica("a", MB, None)]);
        assert_eq!(looks.look(2 * MB, &[replica("a", MB, None)]), known("a", 0));
        let lag = looks.look(2 * MB, &[replica("a", MB, None)]);
        assert_eq!(lag.unknown.as_deref(), Some("replica a reports no lag"));
        // A record whose rest is not written yet keeps a replica short of the end.
        assert_eq!(
            looks.look(2 * MB, &[replica("a", 2 * MB - 8192, None)]),
            known("a", 0)
        );
    }

    #[test]
    fn no_lag_at_the_first_look_is_unknown() {
        assert!(
            Looks::new()
                .look(2 * MB, &[replica("a", MB, None)])
                .unknown
                .is_some()
        );
    }

    #[test]
    fn a_replica_that_was_seen_must_come_back() {
        let mut looks = Looks::new();
        let (a, b) = (replica("a", MB, None), replica("b", MB, None));
        looks.look(MB, &[a.clone(), b.clone()]);
        let unknown = looks
            .look(MB, std::slice::from_ref(&a))
            .unknown
            .expect("b is gone");
        assert!(unknown.contains("replica b is gone"), "{unknown}");
        assert!(unknown.contains("crossfade set orders"), "{unknown}");
        // Connected, but not heard of yet.
        let silent = Walsender {
            replayed: None,
            ..b.clone()
        };
        assert!(looks.look(MB, &[a.clone(), silent]).unknown.is_some());
        assert_eq!(looks.look(MB, &[a, b]), known("a", 0));
    }

    #[test]
    fn a_slot_tells_replicas_of_one_name_apart() {
        let mut looks = Looks::new();
        let with_slot = |slot: &str| Walsender {
            slot: Some(slot.to_owned()),
            ..replica("walreceiver", MB, None)
        };
        looks.look(MB, &[with_slot("one"), with_slot("two")]);
        assert!(looks.look(MB, &[with_slot("two")]).unknown.is_some());
    }

    #[test]
    fn who_only_receives_is_no_replica() {
        let mut looks = Looks::new();
        let archive = Walsender {
            replayed: None,
            ..replica("pg_receivewal", 0, None)
        };
        assert_eq!(looks.look(MB, &[archive]), Lag::default());
        assert_eq!(looks.look(2 * MB, &[]), Lag::default());
    }

    #[test]
    fn what_the_role_may_not_see_is_unknown_and_the_remedy_is_named() {
        let hidden = Walsender {
            visible: false,
            replayed: None,
            ..replica("a", 0, None)
        };
        let lag = Looks::new().look(MB, &[replica("b", MB, None), hidden]);
        let unknown = lag.unknown.expect("unknown");
        for part in ["alice", "pg_read_all_stats", "crossfade grants"] {
            assert!(unknown.contains(part), "{unknown}");
        }
    }

    #[test]
    fn looks_are_forgotten() {
        let mut looks = Looks::new();
        for n in 1..10_000 {
            looks.look(n * MB, &[replica("a", 0, Some(1))]);
        }
        assert_eq!(looks.replicas.looks.len(), LOOKS);
        looks.look(10_000 * MB, &[replica("a", 10_000 * MB, Some(1))]);
        assert_eq!(looks.replicas.looks.len(), 1);
    }
}
