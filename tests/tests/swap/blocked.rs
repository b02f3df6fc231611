//! Statements that wait behind the swap go on with the new table, and none of them is lost.

use std::sync::Arc;

use crossfade_engine::Loss;
use crossfade_plan::event::Event;
use crossfade_testkit::{Result, Session};
use futures_util::SinkExt;
use tokio::task::JoinHandle;
use tokio_postgres::Statement;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::way::{Command, DONE, ITEMS, Queued, WIDEN, Way};

type Rows = std::result::Result<u64, tokio_postgres::Error>;

/// Starts what must wait, and returns when it does.
async fn blocked(
    way: &Way,
    session: &Session,
    statement: impl Future<Output = Rows> + Send + 'static,
) -> Result<JoinHandle<Rows>> {
    let handle = tokio::spawn(statement);
    let waits = way.scene.admin.wait_until_blocked(session.pid()).await;
    waits.map_err(|error| format!("{}: {error}", session.name()))?;
    Ok(handle)
}

const TOUCH: &str = "
    create function public.touch(which int) returns void language plpgsql as $$
    begin update public.items set n = n + 1 where id = which; end$$;";

const PREPARED: &str = "update public.items set n = n + 1 where id = $1";

/// Sessions that have all used the table before, as those of a pool have.
struct Pool {
    simple: Arc<Session>,
    unnamed: Arc<Session>,
    named: Arc<Session>,
    prepared: Statement,
    function: Arc<Session>,
    copy: Arc<Session>,
    savepoint: Arc<Session>,
}

impl Pool {
    async fn used(way: &Way) -> Result<Self> {
        let session = async |name: &str| -> Result<_> {
            let session = way.app(name).await?;
            session.run("select public.touch(1)").await?;
            Ok(Arc::new(session))
        };
        let named = session("named").await?;
        let prepared = named.client().prepare(PREPARED).await?;
        for _ in 0..6 {
            // From the sixth time on with a plan that does not know the parameter.
            named.client().execute(&prepared, &[&1_i32]).await?;
        }
        Ok(Self {
            simple: session("simple").await?,
            unnamed: session("unnamed").await?,
            named,
            prepared,
            function: session("function").await?,
            copy: session("copy").await?,
            savepoint: session("savepoint").await?,
        })
    }

    /// One statement of each kind, with the rows that it must change.
    async fn wait(&self, way: &Way) -> Result<Vec<(u64, JoinHandle<Rows>)>> {
        let mut all = Vec::new();
        let session = Arc::clone(&self.simple);
        let simple = async move {
            session
                .run(
                    "insert into public.items (v) values ('simple'); \
                     delete from public.items where id = 2",
                )
                .await?;
            Ok(2)
        };
        all.push((2, blocked(way, &self.simple, simple).await?));
        let session = Arc::clone(&self.unnamed);
        let unnamed = async move {
            let update = "update public.items set n = n + 1 where id between $1 and $2";
            let parameters = [(&3_i32 as _, Type::INT4), (&4_i32 as _, Type::INT4)];
            session.client().execute_typed(update, &parameters).await
        };
        all.push((2, blocked(way, &self.unnamed, unnamed).await?));
        let (session, prepared) = (Arc::clone(&self.named), self.prepared.clone());
        let named = async move { session.client().execute(&prepared, &[&5_i32]).await };
        all.push((1, blocked(way, &self.named, named).await?));
        let session = Arc::clone(&self.function);
        let function = async move { session.run("select public.touch(6)").await.map(|()| 1) };
        all.push((1, blocked(way, &self.function, function).await?));
        let session = Arc::clone(&self.copy);
        let copy = async move {
            let client = session.client();
            let sink = client.copy_in("copy public.items (v) from stdin").await?;
            let mut sink = std::pin::pin!(sink);
            sink.send(b"copied 1\ncopied 2\n".as_slice()).await?;
            sink.finish().await
        };
        all.push((2, blocked(way, &self.copy, copy).await?));
        let session = Arc::clone(&self.savepoint);
        let savepoint = async move {
            session
                .run(
                    "begin; savepoint s; delete from public.items; rollback to s; \
                     update public.items set n = n + 1 where id = 7; commit",
                )
                .await?;
            Ok(1)
        };
        all.push((1, blocked(way, &self.savepoint, savepoint).await?));
        Ok(all)
    }

    /// All of them wait at the table until `queued` is through, and then do what they were to do.
    async fn goes_on(&self, way: &Way, queued: Queued) -> Result<()> {
        // Whoever asks now waits as well, but for the holder.
        let counted = |what: &str| format!("select {what} from public.items");
        let holder = &queued.holder;
        let before: i64 = holder.query_one_value(&counted("sum(n)")).await?;
        let rows: i64 = holder.query_one_value(&counted("count(*)")).await?;
        let goes = counted("count(*) filter (where id = 2)");
        let goes: i64 = holder.query_one_value(&goes).await?;
        let waiting = self.wait(way).await?;
        queued.holder.run("commit").await?;
        assert_eq!(queued.command.await??, DONE);
        for (rows, statement) in waiting {
            assert_eq!(statement.await??, rows);
        }
        let after = way.number(&counted("sum(n)")).await?;
        assert_eq!(after, before + 5, "five rows were touched once each");
        let now = way.number(&counted("count(*)")).await?;
        assert_eq!(now, rows + 3 - goes, "three came, and one went at first");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_statement_goes_on_with_the_other_table() -> Result<()> {
    let way = Way::verified(&format!("{ITEMS}{TOUCH}"), &[WIDEN]).await?;
    let pool = Pool::used(&way).await?;
    let queued = way.queued(Command::Cutover).await?;
    pool.goes_on(&way, queued).await?;
    way.assert_both_sides_alike().await?;
    let queued = way.queued(Command::Rollback(Loss::Refused)).await?;
    pool.goes_on(&way, queued).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn higher_isolation_is_right_or_is_told_to_repeat() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    let mut sessions = Vec::new();
    for level in ["repeatable read", "serializable"] {
        for id in [10, 20] {
            let session = Arc::new(way.app(level).await?);
            // The snapshot is older than the swap, and holds no lock on the table.
            session
                .run(&format!("begin isolation level {level}; select 1"))
                .await?;
            session
                .query_one_value::<i64>("select count(*) from pg_catalog.pg_class")
                .await?;
            sessions.push((id, session));
        }
    }
    let other = way.app("other").await?;
    other
        .run("update public.items set n = 100 where id = 20")
        .await?;
    let queued = way.queued(Command::Cutover).await?;
    let mut waiting = Vec::new();
    for (id, session) in &sessions {
        let own = Arc::clone(session);
        let update = format!("update public.items set n = n + 1 where id = {id}; commit");
        let statement = async move { own.run(&update).await.map(|()| 1) };
        waiting.push((*id, blocked(&way, session, statement).await?));
    }
    queued.holder.run("commit").await?;
    assert_eq!(queued.command.await??, DONE);
    let mut done = 0;
    for (id, statement) in waiting {
        match statement.await? {
            // Whoever comes second to row 10 has to repeat as well.
            Ok(_) if id == 10 => done += 1,
            Err(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => {}
            other => return Err(format!("row {id}: {other:?}").into()),
        }
    }
    assert_eq!(done, 1, "the first one to row 10 was right");
    let sum = way.number("select sum(n) from public.items").await?;
    assert_eq!(sum, 101);
    way.assert_both_sides_alike().await
}

/// A cursor holds its lock for as long as it is open: nobody is made to wait behind the swap.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_cursor_is_waited_for_without_a_queue() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    let reader = way.app("reader").await?;
    reader
        .run("begin; declare c cursor for select id from public.items; fetch 1 from c")
        .await?;
    let cutover = way.start(Command::Cutover);
    way.told(|event| matches!(event, Event::Waiting(_))).await?;
    let queued = "select count(*) from pg_catalog.pg_locks \
         where relation = 'public.items'::pg_catalog.regclass and not granted";
    assert_eq!(way.number(queued).await?, 0);
    let writer = way.app("writer").await?;
    writer
        .run("set statement_timeout = '5s'; update public.items set n = 1 where id = 1")
        .await?;
    reader.run("fetch all from c; commit").await?;
    assert_eq!(cutover.await??, DONE);
    way.assert_both_sides_alike().await
}
