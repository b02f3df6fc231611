//! The live workload against a real server: it does what it says, leaves both tables equal, and
//! sees failures when there are some.

use std::pin::pin;
use std::time::Duration;

use crossfade_plan::Ident;
use crossfade_sandbox::cluster::{Cluster, StopMode};
use crossfade_sandbox::workload::{
    AppTable, IsolationMix, KeyKind, Kind, KindMix, OnDisconnect, OnStalePlan, Shape, TooFew,
    Workload, WorkloadError, WorkloadReport, WorkloadSpec,
};
use crossfade_testkit::{
    Comparison, OracleError, Result, Role, Session, TestDatabase, cluster_options,
};

const ROWS: u32 = 2000;
const SEED: u64 = 7;

/// Makes and fills both tables, and lets the application use them.
async fn fixture(database: &TestDatabase, table: &AppTable) -> Result<Session> {
    let superuser = database.session("fixture", Role::Superuser).await?;
    superuser.run(&table.create_sql()).await?;
    superuser
        .run(&table.grant_sql(&Ident::new(database.app())?))
        .await?;
    table.load(superuser.client(), ROWS, SEED).await?;
    Ok(superuser)
}

fn spec(database: &TestDatabase, table: &AppTable) -> WorkloadSpec {
    let mut spec = WorkloadSpec::new(database.url(Role::App), table.clone(), ROWS);
    spec.connections = 4;
    spec.seed = SEED;
    spec.hold = Duration::from_millis(10)..=Duration::from_millis(50);
    spec
}

/// Compares all columns as they are described.
async fn compare(superuser: &Session, table: &AppTable) -> std::result::Result<i64, OracleError> {
    let keys: Vec<String> = table
        .key_columns()
        .iter()
        .map(ToString::to_string)
        .collect();
    let names: Vec<String> = table
        .column_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    let pairs: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), name.as_str()))
        .collect();
    let (key, columns) = pairs.split_at(keys.len());
    let (control, result) = (table.control().to_string(), table.name().to_string());
    let comparison = Comparison {
        control: &control,
        result: &result,
        key,
        columns,
    };
    comparison.run(superuser).await
}

fn assert_clean(report: &WorkloadReport) {
    assert!(report.failures().is_empty(), "{:#?}", report.failures());
    assert_eq!(report.failures_total, 0);
}

async fn run_all_kinds(table: AppTable, kinds: KindMix) -> Result<WorkloadReport> {
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    let mut spec = spec(&database, &table);
    spec.kinds = kinds;
    let running = Workload::start(spec).await?;
    let waited = running.every_kind_again(10).await;
    let report = running.stop().await;
    assert_clean(&report);
    waited?;
    report.every_kind_ran()?;
    compare(&superuser, &table).await?;
    Ok(report)
}

#[tokio::test]
async fn every_kind_runs_on_leads_and_both_tables_stay_equal() -> Result<()> {
    let report = run_all_kinds(AppTable::leads()?, KindMix::default()).await?;
    // What is not asked for, and what the server does not have.
    let database = TestDatabase::create().await?;
    let superuser = database.session("version", Role::Superuser).await?;
    let has_merge = "select current_setting('server_version_num')::integer >= 150000";
    let has_merge: bool = superuser.query_one_value(has_merge).await?;
    let left_out = |kind: &Kind| *kind == Kind::Truncate || (*kind == Kind::Merge && !has_merge);
    let expected = Kind::ALL.iter().filter(|kind| !left_out(kind));
    let text = report.to_text();
    assert_eq!(report.kinds.len(), expected.clone().count());
    assert!(report.latency.statements > report.commits);
    assert!(expected.into_iter().all(|kind| text.contains(kind.name())));
    Ok(())
}

#[tokio::test]
async fn truncate_is_part_of_the_mix_where_asked() -> Result<()> {
    let kinds = KindMix::default().with(Kind::Truncate, 6);
    run_all_kinds(AppTable::composite()?, kinds).await?;
    Ok(())
}

#[tokio::test]
async fn every_kind_of_key_works() -> Result<()> {
    for key in KeyKind::ALL {
        run_all_kinds(AppTable::keyed("orders", key)?, KindMix::default()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_server_and_the_client_make_the_same_keys() -> Result<()> {
    let database = TestDatabase::create().await?;
    for key in KeyKind::ALL {
        let table = AppTable::keyed(&format!("keys_{key:?}"), key)?;
        let superuser = fixture(&database, &table).await?;
        // Deletes find the keys that were loaded only if both sides make the same ones.
        let mut spec = spec(&database, &table);
        spec.kinds = KindMix::only(&[Kind::Delete]);
        let running = Workload::start(spec).await?;
        running.every_kind_again(200).await?;
        assert_clean(&running.stop().await);
        compare(&superuser, &table).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_same_seed_loads_the_same_rows() -> Result<()> {
    let table = AppTable::leads()?;
    let again = AppTable::keyed("again", KeyKind::Int)?;
    let other = AppTable::keyed("other", KeyKind::Int)?;
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    for (table, seed) in [(&again, SEED), (&other, SEED + 1)] {
        superuser.run(&table.create_sql()).await?;
        table.load(superuser.client(), ROWS, seed).await?;
    }
    let differing = "select count(*) from (select * from leads except all select * from ";
    let same: i64 = superuser
        .query_one_value(&format!("{differing} again) as d"))
        .await?;
    assert_eq!(same, 0);
    let changed: i64 = superuser
        .query_one_value(&format!("{differing} other) as d"))
        .await?;
    assert_eq!(changed, i64::from(ROWS));
    Ok(())
}

#[tokio::test]
async fn the_application_switches_to_new_columns() -> Result<()> {
    let table = AppTable::leads()?;
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    let mut spec = spec(&database, &table);
    // What both versions of the application have.
    spec.shape = Shape::of(&table).without("name")?;
    let running = Workload::start(spec).await?;
    running.every_kind_again(2).await?;
    superuser
        .run(
            "begin;
             alter table leads add first text, add last text;
             update leads set first = split_part(name, ' ', 1), last = split_part(name, ' ', 2);
             alter table leads drop name;
             commit",
        )
        .await?;
    let parts = [
        ("first", "pg_catalog.split_part({}, ' ', 1)"),
        ("last", "pg_catalog.split_part({}, ' ', 2)"),
    ];
    running
        .switch_shape(Shape::of(&table).mapped("name", &parts)?)
        .await;
    running.every_kind_again(5).await?;
    assert_clean(&running.stop().await);
    let comparison = Comparison {
        control: "leads_control",
        result: "leads",
        key: &[("id", "id")],
        columns: &[
            ("split_part(name, ' ', 1)", "first"),
            ("split_part(name, ' ', 2)", "last"),
            ("email", "email"),
            ("score", "score"),
            ("note", "note"),
            ("created_at", "created_at"),
            ("payload", "payload"),
        ],
    };
    comparison.run(&superuser).await?;
    // New values have come in: fewer than all of them may be those that were loaded.
    let changed = "select exists (select from leads where id > 1000000000 and first is not null)";
    assert!(superuser.query_one_value::<bool>(changed).await?);
    Ok(())
}

#[tokio::test]
async fn a_switch_waits_for_transactions_of_the_former_shape() -> Result<()> {
    let table = AppTable::leads()?;
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    let locker = database.session("locker", Role::Superuser).await?;
    locker
        .run("begin; lock table leads in exclusive mode")
        .await?;
    let mut spec = spec(&database, &table);
    spec.connections = 1;
    spec.kinds = KindMix::only(&[Kind::Update]);
    let running = Workload::start(spec).await?;
    let blocked = "select exists (select from pg_stat_activity
         where application_name = 'workload 0' and wait_event_type = 'Lock')";
    superuser.wait_until(blocked).await?;
    {
        let mut switch = pin!(running.switch_shape(Shape::of(&table).without("name")?));
        tokio::select! {
            biased;
            () = &mut switch => return Err("switched while a transaction was open".into()),
            still = superuser.wait_until(blocked) => still?,
        }
        locker.run("commit").await?;
        switch.await;
    }
    superuser.run("alter table leads drop name").await?;
    running.every_kind_again(20).await?;
    assert_clean(&running.stop().await);
    Ok(())
}

#[tokio::test]
async fn serialization_failures_are_retried_and_no_failures() -> Result<()> {
    let table = AppTable::leads()?;
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    let mut spec = spec(&database, &table);
    spec.rows = 2;
    spec.kinds = KindMix::only(&[Kind::Update, Kind::MultiUpdate]);
    spec.isolation = IsolationMix {
        read_committed: 0,
        repeatable_read: 1,
        serializable: 1,
    };
    let running = Workload::start(spec).await?;
    let waited = running
        .wait_until(|report| match report.retries {
            0..10 => Err(TooFew(vec![Kind::Update])),
            _ => report.every_kind_ran_times(20),
        })
        .await;
    let report = running.stop().await;
    assert_clean(&report);
    waited?;
    compare(&superuser, &table).await?;
    Ok(())
}

#[tokio::test]
async fn transactions_of_several_keys_do_not_deadlock() -> Result<()> {
    let table = AppTable::leads()?;
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    let mut spec = spec(&database, &table);
    spec.rows = 8;
    spec.connections = 8;
    spec.kinds = KindMix::only(&[
        Kind::MultiUpdate,
        Kind::SwapKeys,
        Kind::Savepoint,
        Kind::Rollback,
        Kind::UpsertUpdate,
        Kind::SkipLocked,
        Kind::Long,
    ]);
    let running = Workload::start(spec).await?;
    let waited = running.every_kind_again(60).await;
    assert_clean(&running.stop().await);
    waited?;
    compare(&superuser, &table).await?;
    Ok(())
}

#[tokio::test]
async fn a_trigger_that_loses_a_change_is_found() -> Result<()> {
    let table = AppTable::leads()?;
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    superuser
        .run(
            "create function lose() returns trigger language plpgsql as
                 $$ begin new.score := old.score; return new; end $$;
             create trigger lose before update of score on leads
                 for each row execute function lose()",
        )
        .await?;
    let running = Workload::start(spec(&database, &table)).await?;
    let seen = running
        .wait_until(|report| {
            report.every_kind_ran()?;
            let mut kinds = report.failures().iter().map(|failure| failure.kind);
            if kinds.any(|kind| kind == Some(Kind::Read)) {
                return Ok(());
            }
            Err(TooFew(vec![Kind::Read]))
        })
        .await;
    let report = running.stop().await;
    seen?;
    assert!(
        report
            .failures()
            .iter()
            .all(|failure| failure.sqlstate.is_none())
    );
    let outcome = compare(&superuser, &table).await;
    assert!(
        matches!(outcome, Err(OracleError::Differ(_))),
        "{outcome:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_missing_column_is_a_recorded_failure() -> Result<()> {
    let table = AppTable::leads()?;
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    superuser.run("alter table leads drop score").await?;
    let mut spec = spec(&database, &table);
    spec.kinds = KindMix::only(&[Kind::Update]);
    let running = Workload::start(spec).await?;
    running.every_kind_again(50).await?;
    let report = running.stop().await;
    assert!(!report.failures().is_empty());
    for failure in report.failures() {
        assert_eq!(failure.sqlstate.as_deref(), Some("42703"), "{failure:?}");
        assert_eq!(failure.kind, Some(Kind::Update));
        assert!(failure.statement.contains("\"score\""), "{failure:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_locked_row_is_busy_for_nowait_and_no_failure() -> Result<()> {
    let table = AppTable::leads()?;
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    let locker = database.session("locker", Role::App).await?;
    locker
        .run("begin; select from leads where id = 1 for update")
        .await?;
    let mut spec = spec(&database, &table);
    spec.kinds = KindMix::only(&[Kind::Nowait, Kind::SkipLocked]);
    let running = Workload::start(spec).await?;
    let busy = |report: &WorkloadReport| match report.nowait_busy {
        0 => Err(TooFew(vec![Kind::Nowait])),
        _ => report.every_kind_ran_times(20),
    };
    running.wait_until(busy).await?;
    locker.run("commit").await?;
    assert_clean(&running.stop().await);
    compare(&superuser, &table).await?;
    Ok(())
}

#[tokio::test]
async fn a_changed_result_type_is_a_failure_unless_statements_may_be_prepared_anew() -> Result<()> {
    let table = AppTable::leads()?;
    let database = TestDatabase::create().await?;
    let superuser = fixture(&database, &table).await?;
    for on_stale_plan in [OnStalePlan::Fail, OnStalePlan::Reprepare] {
        let mut spec = spec(&database, &table);
        spec.kinds = KindMix::only(&[Kind::Update]);
        spec.connections = 1;
        spec.on_stale_plan = on_stale_plan;
        let running = Workload::start(spec).await?;
        running.every_kind_again(50).await?;
        // What an application sees after the pool or a failover has lost its statements.
        let lose = "create or replace function lose_plans() returns trigger language plpgsql as
                 $$ begin deallocate all; return new; end $$;
             create or replace trigger lose_plans after update on leads_control
                 for each row when (old.id % 10 = 0) execute function lose_plans()";
        superuser.run(lose).await?;
        let seen = running
            .wait_until(|report| match report.failures_total + report.reprepared {
                0 => Err(TooFew(vec![Kind::Update])),
                _ => Ok(()),
            })
            .await;
        superuser
            .run("drop trigger lose_plans on leads_control")
            .await?;
        seen?;
        let report = running.stop().await;
        match on_stale_plan {
            OnStalePlan::Reprepare => assert_clean(&report),
            OnStalePlan::Fail => {
                let codes: Vec<_> = report
                    .failures()
                    .iter()
                    .map(|f| f.sqlstate.as_deref())
                    .collect();
                assert!(codes.contains(&Some("26000")), "{codes:?}");
            }
        }
        compare(&superuser, &table).await?;
    }
    Ok(())
}

#[tokio::test]
async fn own_cluster_a_restart_is_survived_where_asked_and_a_failure_elsewhere() -> Result<()> {
    let mut cluster = Cluster::start(&cluster_options()).await?;
    let table = AppTable::leads()?;
    let database = TestDatabase::create_in(&cluster).await?;
    fixture(&database, &table).await?;

    let mut surviving = spec(&database, &table);
    surviving.on_disconnect = OnDisconnect::Reconnect;
    let surviving = Workload::start(surviving).await?;
    surviving.every_kind_again(2).await?;
    cluster.restart(StopMode::Immediate).await?;
    surviving.every_kind_again(2).await?;
    let report = surviving.stop().await;
    assert_clean(&report);
    assert!(report.disconnects > 0);
    let superuser = database.session("observer", Role::Superuser).await?;
    compare(&superuser, &table).await?;

    let mut strict = spec(&database, &table);
    strict.first_key = report.next_key;
    let strict = Workload::start(strict).await?;
    strict.every_kind_again(2).await?;
    cluster.restart(StopMode::Immediate).await?;
    let outcome = strict
        .wait_until(|report| report.every_kind_ran_times(u64::MAX))
        .await;
    assert!(
        matches!(outcome, Err(WorkloadError::Ended(_))),
        "{outcome:?}"
    );
    let report = strict.stop().await;
    assert_eq!(report.connections, 0);
    assert_eq!(
        report.failures_total,
        4,
        "one of each connection: {:?}",
        report.failures()
    );
    Ok(())
}
