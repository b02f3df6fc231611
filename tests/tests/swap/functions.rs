//! Functions that mention the table keep working in sessions that have called them before.

use crossfade_plan::hazard::HazardId;
use crossfade_testkit::Result;
use tokio_postgres::error::SqlState;

use crate::way::{BOTH_WAYS, Command, DONE, ITEMS, WIDEN, Way};

/// Record variables, a row variable, a column's type, a quoted name, and a procedure.
const FUNCTIONS: &str = r#"
    create function public.by_record(which int) returns text language plpgsql as $$
    declare r record;
    begin select * into r from ITEMS where id = which; return r.v || r.id; end$$;
    create function public.by_row(which int) returns text language plpgsql cost 7.5 as $$
    declare r public."items"%rowtype;
    begin select * into r from "items" where id = which; return r.v || r.id; end$$;
    alter function public.by_row(int) set search_path = public;
    create function public.by_type(which int) returns text language plpgsql as $$
    declare r public.items.id%type;
    begin select id into r from public.items where id = which; return r + 1; end$$;
    create procedure public."By Call"(inout which int) language plpgsql security definer as $$
    declare r record;
    begin select * into r from public.items where id = which; which := r.id + 1; end$$;
    create function public.of_items_only(which int) returns int language plpgsql as
    $$begin return which; /* my_items, items_2 */ end$$;
"#;

const CALLS: [&str; 4] = [
    "select public.by_record(1)",
    "select public.by_row(1)",
    "select public.by_type(1)",
    "call public.\"By Call\"(1)",
];

/// What must not change when a function is touched.
const DEFINITIONS: &str = "select pg_catalog.string_agg(pg_catalog.concat_ws(' ', p.oid, p.procost, \
     p.prosecdef, p.proconfig, p.proacl, p.prosrc), ' ' order by p.oid) \
     from pg_catalog.pg_proc p where p.pronamespace = 'public'::pg_catalog.regnamespace \
     and p.proname !~ '^crossfade_'";

#[tokio::test(flavor = "multi_thread")]
async fn open_sessions_compile_them_anew() -> Result<()> {
    let way = Way::verified(&format!("{ITEMS}{FUNCTIONS}"), &[WIDEN]).await?;
    let session = way.app("session").await?;
    session.run("set search_path = public").await?;
    for _ in 0..6 {
        for call in CALLS {
            session.run(call).await?;
        }
    }
    // Dropped after the plan was made: nobody's concern.
    let owner = way.owner("owner").await?;
    owner.run("drop function public.by_type(int)").await?;
    let before: String = way.scene.admin.query_one_value(DEFINITIONS).await?;
    for command in BOTH_WAYS {
        assert_eq!(way.run(command).await??, DONE);
        for call in CALLS.iter().filter(|call| !call.contains("by_type")) {
            session
                .run(call)
                .await
                .map_err(|error| format!("{call} after {command:?}: {error:?}"))?;
        }
        let after: String = way.scene.admin.query_one_value(DEFINITIONS).await?;
        assert_eq!(after, before);
    }
    Ok(())
}

/// Without the touch, the session would fail for good: this is what the swap prevents.
#[tokio::test(flavor = "multi_thread")]
async fn those_of_others_are_named_as_a_hazard() -> Result<()> {
    let way = Way::new(&format!("{ITEMS}{FUNCTIONS}"), &[WIDEN]).await?;
    let give = "alter function public.by_record(int) owner to current_user; \
                alter procedure public.\"By Call\" owner to current_user";
    way.scene.admin.run(give).await?;
    assert_eq!(way.engine.expand(&way.plan, None).await?, DONE);
    let plan = way.registered_plan().await?;
    let named: Vec<&str> = plan
        .hazards
        .iter()
        .filter(|hazard| hazard.id == HazardId::DependentFunction)
        .map(|hazard| hazard.subject.as_str())
        .collect();
    assert_eq!(
        named,
        ["public.\"By Call\"(integer)", "public.by_record(integer)"]
    );
    let swap = plan.steps.iter().find(|step| step.id.as_str() == "swap");
    let swap = swap.ok_or("no swap")?;
    for statements in [&swap.statements, &swap.undo] {
        let touched: Vec<&String> = statements
            .iter()
            .filter(|statement| statement.contains("to_regprocedure"))
            .collect();
        assert_eq!(touched.len(), 2, "{touched:?}");
        assert!(touched[0].contains("alter function public.by_row(integer) cost "));
        assert!(touched[1].contains("alter function public.by_type(integer) cost "));
    }
    // One that was given away after the plan was made does not keep the swap from happening.
    way.scene
        .admin
        .run("alter function public.by_row(int) owner to current_user")
        .await?;
    assert_eq!(way.engine.backfill(&way.name).await?, DONE);
    way.verify().await?;
    let session = way.app("session").await?;
    session.run(CALLS[0]).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    let error = session.run(CALLS[0]).await.expect_err("its plan is stale");
    assert_eq!(error.code(), Some(&SqlState::DATATYPE_MISMATCH));
    Ok(())
}
