//! Where a migration is, seen from outside.

use std::fmt;
use std::time::{Duration, Instant};

use crossfade_testkit::{Result, Role, Session};

use super::leads::Leads;
use super::program::Process;

const POLL: Duration = Duration::from_millis(3);
const PATIENCE: Duration = Duration::from_mins(1);

/// The latest migration: its stage, whether the lease is a process's, and whether blocks are left
/// to be copied. No row before it is registered.
const LOOK: &str = "select m.stage, \
       coalesce(l.owner like '%/' || $1 || '/%', false), \
       (select count(*) > 0 from crossfade.task_range r where r.migration_id = m.id), \
       exists (select from crossfade.task_range r where r.migration_id = m.id and r.state = 'open') \
     from crossfade.migration m left join crossfade.lease l on l.migration_id = m.id \
     order by m.id desc limit 1";

/// What a runner is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Registering, or creating target and dual-write.
    Expand,
    /// Copying.
    Backfill,
    /// All ranges are copied; what was skipped is looked for, indexes and constraints are built.
    Closing,
    /// Comparing.
    Verify,
    /// Swapping.
    Cutover,
    /// What may follow: rollback or contract.
    After,
}

impl Place {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Expand,
        Self::Backfill,
        Self::Closing,
        Self::Verify,
        Self::Cutover,
        Self::After,
    ];
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expand => "expand",
            Self::Backfill => "backfill",
            Self::Closing => "closing",
            Self::Verify => "verify",
            Self::Cutover => "cutover",
            Self::After => "rollback or contract",
        })
    }
}

/// Looks into the state.
#[derive(Debug)]
pub struct Watch {
    session: Session,
}

impl Watch {
    /// Of the migrations of a database, in which the state schema is made if there is none.
    pub async fn new(leads: &Leads) -> Result<Self> {
        leads.program.succeed("init").await?;
        let session = leads.scene.database.session("watch", Role::Superuser);
        Ok(Self {
            session: session.await?,
        })
    }

    /// Where a process is; `None` while it does not have the lease.
    pub async fn place(&self, process: u32) -> Result<Option<Place>> {
        let process = process.to_string();
        let row = self.session.client().query_opt(LOOK, &[&process]).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let (stage, at_work): (&str, bool) = (row.try_get(0)?, row.try_get(1)?);
        let (ranges, open): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
        if !at_work {
            return Ok(None);
        }
        Ok(match stage {
            "planned" => Some(Place::Expand),
            "expanded" | "backfilling" if open || !ranges => Some(Place::Backfill),
            "backfilling" => Some(Place::Closing),
            "backfilled" => Some(Place::Verify),
            "verified" => Some(Place::Cutover),
            "cut_over" | "rolling_back" => Some(Place::After),
            _ => None,
        })
    }

    /// Waits until a process is at a place; `false` if it ended before.
    pub async fn wait_for(&self, wanted: Place, process: &mut Process) -> Result<bool> {
        let begun = Instant::now();
        while self.place(process.id()).await? != Some(wanted) {
            if process.has_ended()? {
                return Ok(false);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("no runner came to {wanted}").into());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(true)
    }
}
