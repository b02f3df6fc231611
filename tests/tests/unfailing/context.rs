//! Code of the table's own that depends on the session: it is named, the applications never feel
//! it, and what pins it lets the migration through.

use crossfade_engine::{EngineError, Loss};
use crossfade_plan::hazard::{Hazard, HazardId};
use crossfade_testkit::Result;
use crossfade_tests::{is_exact, plan_file};

use crate::{DONE, Things};

/// What `positive` does depends on the path: it calls `is_more` by its bare name. Both are volatile,
/// as functions are whose authors said nothing: the planner sees no more than their names.
const SCHEMA: &str = "create function public.is_more(a integer, b integer) returns boolean \
       language plpgsql as $$begin return a > b; end$$; \
     create function public.positive(n integer) returns boolean \
       language plpgsql as $$begin return is_more(n, 0); end$$; \
     create table public.things (id integer primary key, n integer not null, \
       double integer generated always as (n * 2) stored, \
       constraint n_is_positive check (public.positive(n))); \
     insert into public.things (id, n) select i, i from generate_series(1, 500) i; \
     analyze public.things";

const WIDER: &str = "  - change_type: { column: id, type: bigint }";

const PIN: &str = "alter function public.positive(integer) set search_path = public";

/// Each kind of write; none may fail, whatever the mirror makes of it.
async fn write(things: &Things, key: u32) -> Result<()> {
    let sql = format!(
        "insert into public.things (id, n) values ({key}, 1); \
         update public.things set n = n + 1 where id in ({key}, 7); \
         delete from public.things where id = {key} - 100"
    );
    Ok(things.app.run(&sql).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_the_path_has_to_be_accepted() -> Result<()> {
    let things = Things::create(SCHEMA).await?;
    let engine = things.scene.engine().await?;
    let plan = format!("name: things\ntable: public.things\noperations:\n{WIDER}");
    let Err(EngineError::Hazards(found)) = engine.expand(&plan_file(&plan)?, None).await else {
        return Err("nobody was told".into());
    };
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.id, one.subject.as_str()))
        .collect();
    let expected = (HazardId::ContextDependent, "public.positive(integer)");
    assert_eq!(told, [expected], "{found:?}");
    assert!(found[0].explanation.contains("constraint n_is_positive"));
    assert_eq!(things.scene.left_behind().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_go_on_where_the_mirror_cannot_run_it() -> Result<()> {
    let things = Things::create(SCHEMA).await?;
    let engine = things.accepting().await?;
    things.expand(&engine, WIDER).await?;
    write(&things, 1001).await?;
    assert_eq!(
        things.refused().await?,
        0,
        "the target has no constraint yet"
    );
    let Err(EngineError::Query(error)) = engine.backfill(&things.name).await else {
        return Err("the constraint was validated".into());
    };
    assert!(error.is_of_called_function(), "{error}");
    write(&things, 1002).await?;
    assert_eq!(things.refused().await?, 2, "one row was added, one changed");
    // Nothing is wrong with the rows: with a path of its own, the function takes them.
    things.scene.admin.run(PIN).await?;
    let engine = things.scene.engine().await?;
    assert_eq!(engine.backfill(&things.name).await?, DONE);
    assert_eq!(things.refused().await?, 0);
    assert!(is_exact(&engine, &things.name).await?);
    things.roll_back(&engine, Loss::Refused).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_with_a_path_of_its_own_comes_along() -> Result<()> {
    let things = Things::create(SCHEMA).await?;
    things.scene.admin.run(PIN).await?;
    let engine = things.scene.engine().await?;
    things.expand(&engine, WIDER).await?;
    write(&things, 1001).await?;
    assert_eq!(engine.backfill(&things.name).await?, DONE);
    write(&things, 1002).await?;
    assert!(is_exact(&engine, &things.name).await?);
    assert_eq!(engine.cutover(&things.name).await?, DONE);
    write(&things, 1003).await?;
    assert_eq!(things.refused().await?, 0);
    assert_eq!(engine.contract(&things.name).await?, DONE);
    write(&things, 1004).await?;
    assert_eq!(things.scene.left_behind().await?, Vec::<String>::new());
    Ok(())
}

/// A CHECK on who writes is right for the writer, and wrong for the owner of the trigger.
#[tokio::test(flavor = "multi_thread")]
async fn applications_go_on_where_a_check_asks_who_they_are() -> Result<()> {
    let schema = "create table public.things (id integer primary key, n integer, \
           writer name default current_user, \
           constraint own_rows check (writer = current_user) not valid); \
         alter table public.things validate constraint own_rows";
    let things = Things::create(schema).await?;
    let engine = things.accepting().await?;
    things.expand(&engine, WIDER).await?;
    write(&things, 1001).await?;
    let ended = engine.backfill(&things.name).await;
    assert!(
        matches!(&ended, Err(EngineError::Query(error)) if error.constraint() == Some("own_rows")),
        "the migrating role has not written them: {ended:?}"
    );
    write(&things, 1002).await?;
    assert!(things.refused().await? > 0);
    things.roll_back(&engine, Loss::Refused).await?;
    write(&things, 1003).await?;
    Ok(())
}

/// A CHECK that is right in the writer's time zone only; the cast to text pins another one.
#[tokio::test(flavor = "multi_thread")]
async fn applications_go_on_where_a_check_reads_the_time_zone() -> Result<()> {
    let schema = "create table public.things (id integer primary key, name varchar(9), \
           at timestamptz, day date, constraint same_day check (at::date = day)); \
         insert into public.things select i, 'a', '2026-01-01 12:00+00', '2026-01-01' \
           from generate_series(1, 300) i";
    let things = Things::create(schema).await?;
    let engine = things.scene.engine().await?;
    let operation = "  - change_type: { column: name, type: text }";
    things.expand(&engine, operation).await?;
    assert_eq!(engine.backfill(&things.name).await?, DONE);
    things
        .app
        .run(
            "set timezone = 'Asia/Tokyo'; insert into public.things \
             values (1001, 'b', '2026-01-01 20:00+00', '2026-01-02')",
        )
        .await?;
    assert_eq!(things.refused().await?, 1);
    things.roll_back(&engine, Loss::Refused).await
}

/// Rows are not looked at again as time passes: found after the copy, it would cost all of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_the_time_has_to_be_accepted() -> Result<()> {
    let checks = [
        ("until > now()", Some("now()")),
        ("until::date > current_date - 1", Some("current_date")),
        ("until > localtimestamp", Some("localtimestamp")),
        ("public.is_open(n)", Some("public.is_open(integer)")),
        ("until > '2020-01-01 00:00:00+00'", None),
        ("until > now()) not valid; select (1", None),
    ];
    for (check, code) in checks {
        let things = Things::create(&format!(
            "create function public.is_open(n integer) returns boolean stable language sql \
                 return n < (select count(*) from pg_catalog.pg_class); \
             create table public.things (id integer primary key, n integer, \
                 until timestamptz not null default now() + interval '1 hour'); \
             alter table public.things add constraint is_valid check ({check})"
        ))
        .await?;
        let engine = things.scene.engine().await?;
        let plan = format!("name: things\ntable: public.things\noperations:\n{WIDER}");
        let told = match engine.expand(&plan_file(&plan)?, None).await {
            Err(EngineError::Hazards(found)) => found,
            Ok(_) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let of_the_time = |one: &&Hazard| one.explanation.contains("may be false by now");
        let named: Vec<&str> = (told.iter().filter(of_the_time))
            .map(|one| one.subject.as_str())
            .collect();
        assert_eq!(named, Vec::from_iter(code), "{check}: {told:?}");
    }
    Ok(())
}
