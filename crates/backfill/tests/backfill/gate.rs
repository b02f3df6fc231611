//! A gate within a chunk: the job's own statements wait there for the test.
//!
//! A trigger takes an advisory lock that the test holds. Only the job's backends do: dual-write
//! on behalf of the application passes.

use crossfade_testkit::{Result, Role, Session};

use crate::fixture::{Fixture, Running};

/// Where a chunk waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The statement that copies has its snapshot, and has read and locked no row.
    Snapshot,
    /// The rows are copied, the position is where it was.
    Copied,
    /// The position has moved, nothing is committed.
    Checkpointed,
}

/// Closed when made.
pub(crate) struct Gate {
    keeper: Session,
    observer: Session,
}

const PASS: &str = "create schema gate; create sequence gate.passed; \
     grant usage on schema gate to public; grant usage on sequence gate.passed to public; \
     create function gate.pass() returns trigger language plpgsql set lock_timeout = 0 as $$ begin \
         if current_setting('application_name') like 'crossfade/%' then \
             perform nextval('gate.passed'), pg_advisory_xact_lock_shared(1); \
         end if; return null; end $$";

impl Gate {
    /// Puts a closed gate up.
    pub(crate) async fn closed(fixture: &Fixture, place: Place) -> Result<Self> {
        let (when, table) = match place {
            Place::Snapshot => ("before insert", fixture.target()),
            Place::Copied => ("after insert", fixture.target()),
            Place::Checkpointed => ("after update", "crossfade.task_range".to_owned()),
        };
        fixture
            .admin
            .run(&format!(
                "{PASS}; create trigger gate {when} on {table} for each statement execute function gate.pass()"
            ))
            .await?;
        let keeper = fixture.database.session("gate", Role::Superuser).await?;
        let observer = fixture
            .database
            .session("observer", Role::Superuser)
            .await?;
        keeper.run("select pg_advisory_lock(1)").await?;
        Ok(Self { keeper, observer })
    }

    /// Waits until so many backends of the job wait here, and returns their process ids.
    pub(crate) async fn reached_by(&self, count: usize, job: &mut Running) -> Result<Vec<i32>> {
        let waiting = format!(
            "select pid from pg_stat_activity where {} = any (pg_blocking_pids(pid))",
            self.keeper.pid()
        );
        let all = format!("select count(*) = {count} from ({waiting}) w");
        tokio::select! {
            reached = self.observer.wait_until(&all) => reached?,
            ended = job => return Err(format!("the job ended before the gate: {:?}", ended?).into()),
        }
        let rows = self.observer.client().query(&waiting, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Waits until a backend of the job waits here, and returns its process id.
    pub(crate) async fn reached(&self, job: &mut Running) -> Result<i32> {
        let pids = self.reached_by(1, job).await?;
        Ok(*pids.first().ok_or("nobody waits")?)
    }

    /// Lets the chunk that waits pass to its commit, and the next one come to the gate.
    pub(crate) async fn let_one_pass(&self, job: &mut Running) -> Result<i32> {
        self.let_one_end().await?;
        self.reached(job).await
    }

    /// Lets the chunk that waits pass, and returns when its transaction has ended.
    pub(crate) async fn let_one_end(&self) -> Result<()> {
        // The one that waits is granted its lock by the unlock, and keeps it until its end.
        self.keeper
            .run("select pg_advisory_unlock(1); select pg_advisory_lock(1)")
            .await?;
        Ok(())
    }

    /// Opens the gate for good.
    pub(crate) async fn open(&self) -> Result<()> {
        Ok(self.keeper.run("select pg_advisory_unlock(1)").await?)
    }

    /// How many chunks came here.
    pub(crate) async fn visits(&self) -> Result<i64> {
        let sql = "select last_value from gate.passed";
        Ok(self.observer.query_one_value(sql).await?)
    }
}
