//! What others did to a side that is to be dropped: rollback and contract tell of it, change nothing,
//! and go on once it is out of the way.

use crossfade_testkit::Result;

use crate::scene::{EXPAND, Scene, leads_to, names};

/// A scene after its cutover, in which a superuser has done this.
async fn cut_over(sql: &str) -> Result<Scene> {
    let scene = Scene::create(10).await?;
    scene.up_to("cutover")?;
    scene.admin.run(sql).await?;
    Ok(scene)
}

fn ends_in(scene: &Scene, line: &str, stage: &str) -> Result<()> {
    assert_eq!(scene.result(0, line)?["stage"], stage, "{line}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_the_old_side_keeps_it() -> Result<()> {
    let scene = cut_over(
        "create view public.seen as select id from public.orders__old;
         create table public.lines (o int references public.orders__old)",
    )
    .await?;
    let error = scene.fails(7, "E0047", "contract orders --yes")?;
    for one in ["view public.seen", "foreign key", "lines"] {
        names(&error, one);
    }
    assert_eq!(scene.status()?["stage"], "cut_over");
    scene
        .admin
        .run("drop view public.seen; drop table public.lines")
        .await?;
    ends_in(&scene, "contract orders --yes", "contracted")
}

/// The new side is on its way out: what it has lost does not matter.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_the_new_side_that_was_renamed_or_dropped() -> Result<()> {
    for done in [
        "alter index public.orders_pkey rename to orders_id",
        "alter table public.orders drop constraint orders_pkey",
    ] {
        let scene = cut_over(done).await?;
        ends_in(&scene, "rollback orders --accept-loss --yes", "rolled_back")?;
        let key = "select count(*) from pg_index where indisprimary \
             and indrelid = 'public.orders'::regclass and indexrelid = 'public.orders_pkey'::regclass";
        let keys: i64 = scene.admin.query_one_value(key).await?;
        assert_eq!(keys, 1, "{done}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_the_old_side_that_was_renamed() -> Result<()> {
    let scene = cut_over("alter index public.orders_pkey__old rename to mine").await?;
    let line = "rollback orders --accept-loss --yes";
    let error = scene.fails(7, "E0067", line)?;
    names(&error, "orders_pkey__old");
    leads_to(&error, "crossfade rollback orders");
    assert_eq!(scene.status()?["stage"], "cut_over");
    scene
        .admin
        .run("alter index public.mine rename to orders_pkey__old")
        .await?;
    ends_in(&scene, line, "rolled_back")
}

/// As guards of production databases do it.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_trigger_that_refuses_to_drop() -> Result<()> {
    let guard = "create function public.guard() returns event_trigger language plpgsql
             as $$ begin raise exception 'hunter2: ask us first'; end $$;
         create event trigger \"no drops\" on sql_drop when tag in ('DROP TABLE')
             execute function public.guard()";
    let scene = cut_over(guard).await?;
    let error = scene.fails(7, "E0048", "contract orders --yes")?;
    names(&error, "no drops");
    leads_to(&error, "The new side serves on");
    let error = scene.fails(7, "E0048", "rollback orders --yes")?;
    names(&error, "no drops");
    leads_to(&error, "The old side serves again");
    assert_eq!(scene.status()?["stage"], "rolling_back");
    scene
        .admin
        .run("alter event trigger \"no drops\" disable")
        .await?;
    ends_in(&scene, "rollback orders --yes", "rolled_back")?;

    let scene = Scene::create(10).await?;
    scene.admin.run(guard).await?;
    let report = scene.result(0, "preflight orders.yaml --accept-unknown disk")?;
    let told = report.to_string();
    assert!(told.contains("no drops") && told.contains("warn"), "{told}");
    Ok(())
}

/// Whoever dropped the state finds what to do by hand, and that leaves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_when_the_state_is_lost() -> Result<()> {
    for stage in ["expand", "backfill"] {
        let scene = Scene::create(10).await?;
        scene.up_to(stage)?;
        let known = scene.ends(7, "preflight orders --accept-unknown disk")?;
        assert!(!known.stdout.contains("by hand"), "{known:?}");
        scene.admin.run("drop schema crossfade cascade").await?;
        let error = scene.fails(7, "E0050", EXPAND)?;
        let told = error.to_string();
        let causes = error["related"].as_array().cloned().unwrap_or_default();
        let shown = std::iter::once(&error["message"])
            .chain(&causes)
            .find_map(|text| text.as_str().filter(|text| text.contains("begin; ")))
            .ok_or(told)?;
        let begin = shown.find("begin; ").ok_or("a script")?;
        let end = shown.find("; commit").ok_or("its end")?;
        scene
            .admin
            .run(&format!("{}; commit", &shown[begin..end]))
            .await?;
        let found = "select count(*) from pg_class where relname like 'orders_%\\_new' \
             union all select count(*) from pg_proc where proname like 'crossfade%' \
             union all select count(*) from pg_trigger where tgrelid = 'public.orders'::regclass \
             order by 1 desc limit 1";
        let found: i64 = scene.admin.query_one_value(found).await?;
        assert_eq!(found, 0, "{stage}: {shown}");
        let rows: i64 = scene
            .admin
            .query_one_value("select count(*) from public.orders")
            .await?;
        assert_eq!(rows, 10, "{stage}");
        scene.ends(0, EXPAND)?;
    }
    Ok(())
}
