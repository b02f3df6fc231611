//! Each object is found, with what a swap has to carry over.

use crossfade_plan::Ident;
use crossfade_postgres::catalog::{
    ConstraintKind, FiringState, GeneratedKind, Identity, KeyValue, Match, Persistence, Privilege,
    PublicationScope, ReferentialAction, RelationKind, ReplicaIdentity, SequenceUse, TriggerEvent,
    TriggerLevel, TriggerTiming, TypeKind,
};
use crossfade_testkit::Result;

use crate::fixture::{NAME, Rich, ident, name};

#[tokio::test]
async fn the_table_itself() -> Result<()> {
    let rich = Rich::create().await?;
    let catalog = rich.catalog().await?;
    assert!(catalog.server_version_num >= 140_000);
    let table = catalog.table;
    assert_eq!(table.name, name(NAME)?);
    assert_eq!(table.kind, RelationKind::Ordinary);
    assert_eq!(table.persistence, Persistence::Permanent);
    assert_eq!(table.owner.as_str(), rich.database.owner());
    assert_eq!(table.comment.as_deref(), Some("it's the items"));
    assert_eq!(table.replica_identity, ReplicaIdentity::Full);
    assert!(table.row_security.enabled && !table.row_security.forced);
    assert_eq!(
        table.storage.options.get("fillfactor").map(String::as_str),
        Some("90")
    );
    let toast = &table.storage.toast_options;
    assert_eq!(
        toast.get("autovacuum_enabled").map(String::as_str),
        Some("off")
    );
    assert_eq!(table.storage.access_method, Some(ident("heap")?));
    assert_eq!(table.parents, [name("\"Shop\".base")?]);
    assert_eq!(table.children.len(), 1);
    assert_eq!(table.children[0].name, name("\"Shop\".special_items")?);
    assert!(table.altered_constraint_triggers.is_empty());

    assert!(!table.acl.implicit);
    let has = |grantee: Option<&str>, privilege, grantable| {
        table.acl.grants.iter().any(|grant| {
            grant.grantee.as_ref().map(Ident::as_str) == grantee
                && grant.privilege == privilege
                && grant.grantable == grantable
                && grant.grantor == table.owner
        })
    };
    assert!(has(None, Privilege::Select, false));
    assert!(has(Some(rich.database.app()), Privilege::Insert, true));
    assert!(has(Some(rich.database.owner()), Privilege::Truncate, false));
    Ok(())
}

#[tokio::test]
async fn columns() -> Result<()> {
    let table = Rich::create().await?.table().await?;
    let column = |name: &str| {
        table
            .columns
            .iter()
            .find(|column| column.name.as_str() == name)
            .ok_or(name.to_owned())
    };
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names[..4], ["created_at", "id", "No", "a \"quoted\" name"]);
    assert_eq!(names.last().map(|name| name.len()), Some(63));

    let created = column("created_at")?;
    assert!(created.inherited && !created.local);
    assert_eq!(created.default.as_deref(), Some("now()"));
    assert!(
        column("id")?
            .default
            .as_deref()
            .is_some_and(|text| text.contains("nextval"))
    );
    assert_eq!(column("No")?.identity, Some(Identity::Always));
    let quoted = column("a \"quoted\" name")?;
    assert_eq!(quoted.collation, Some(name("\"Shop\".insensitive")?));
    assert!(!quoted.deterministic);
    let code = column("code")?;
    assert_eq!(code.sql_type, "character varying(20)");
    assert_eq!(code.collation, Some(name("pg_catalog.\"C\"")?));
    assert_eq!(
        code.options.get("n_distinct").map(String::as_str),
        Some("-0.5")
    );
    let total = column("total")?;
    assert_eq!(total.default, None);
    assert_eq!(
        total.generated.as_ref().map(|generated| generated.kind),
        Some(GeneratedKind::Stored)
    );
    let qty = column("qty")?;
    assert_eq!(qty.statistics_target, Some(500));
    assert_eq!(qty.comment.as_deref(), Some("how many"));
    assert!(qty.not_null);
    assert_eq!(qty.grants.len(), 1);
    assert_eq!(qty.grants[0].privilege, Privilege::Update);
    assert_eq!(column("doc")?.storage.to_string(), "external");
    assert_eq!(
        column("label")?
            .compression
            .map(|kind| kind.to_string())
            .as_deref(),
        Some("pglz")
    );
    assert_eq!(column("price")?.statistics_target, None);
    Ok(())
}

#[tokio::test]
async fn types_of_columns() -> Result<()> {
    let table = Rich::create().await?.table().await?;
    let cases = [
        ("id", "bigint", TypeKind::Base, true),
        ("code", "character varying(20)", TypeKind::Base, true),
        ("mood", "\"Shop\".\"Mood\"", TypeKind::Enum, true),
        ("rate", "\"Shop\".rate", TypeKind::Domain, true),
        ("label", "\"Shop\".label", TypeKind::Domain, true),
        ("tags", "text[]", TypeKind::Array, true),
        ("during", "tstzrange", TypeKind::Range, true),
        ("doc", "json", TypeKind::Base, false),
        ("docs", "json[]", TypeKind::Array, false),
        ("place", "point", TypeKind::Base, false),
        ("pair", "\"Shop\".pair", TypeKind::Composite, false),
    ];
    for (column, sql_type, kind, comparable) in cases {
        let column = table.column(&ident(column)?).ok_or(column)?;
        let found = (
            column.sql_type.as_str(),
            column.type_kind,
            column.equality.is_some(),
        );
        assert_eq!(found, (sql_type, kind, comparable), "{}", column.name);
    }
    let domain = |column: &str| -> Result<_> {
        let column = table.column(&ident(column)?).ok_or("no column")?;
        column.domain.clone().ok_or_else(|| "no domain".into())
    };
    let rate = domain("rate")?;
    assert_eq!(
        (rate.base_type.as_str(), rate.constrained),
        ("numeric(5,2)", true)
    );
    let label = domain("label")?;
    assert_eq!(
        (label.base_type.as_str(), label.constrained),
        ("text", false)
    );
    let equality = table
        .column(&ident("id")?)
        .and_then(|column| column.equality.clone());
    assert_eq!(
        equality.map(|found| found.to_string()).as_deref(),
        Some("operator(\"pg_catalog\".=)")
    );
    Ok(())
}

#[tokio::test]
async fn indexes() -> Result<()> {
    let table = Rich::create().await?.table().await?;
    let index = |name: &str| {
        table
            .indexes
            .iter()
            .find(|index| index.name.as_str() == name)
    };
    let lower = index("by lower code").ok_or("no expression index")?;
    assert_eq!(lower.method.as_str(), "btree");
    assert!(lower.valid && lower.ready && lower.immediate && !lower.unique);
    assert!(!lower.nulls_not_distinct);
    assert_eq!(lower.key.len(), 2);
    assert_eq!(
        lower.key[0].value,
        KeyValue::Expression("lower((code)::text)".to_owned())
    );
    assert_eq!(lower.key[0].opclass, name("pg_catalog.text_pattern_ops")?);
    assert!(!lower.key[0].opclass_default);
    assert_eq!(lower.key[0].statistics_target, Some(200));
    assert_eq!(lower.key[0].collation, Some(name("pg_catalog.\"C\"")?));
    assert_eq!(lower.key[1].value, KeyValue::Column(ident("qty")?));
    assert!(lower.key[1].descending && !lower.key[1].nulls_first);
    assert_eq!(lower.include, [ident("price")?]);
    assert!(
        lower
            .predicate
            .as_deref()
            .is_some_and(|text| text.contains("mood"))
    );
    let columns: Vec<&str> = lower.columns.iter().map(Ident::as_str).collect();
    assert_eq!(columns, ["qty", "price", "mood", "code"]);
    assert_eq!(lower.key_columns(), None);

    let hash = index("by_qty").ok_or("no hash index")?;
    assert!(hash.key[0].equality.is_some());
    assert_eq!(hash.comment.as_deref(), Some("for equality"));
    let gin = index("by_tags").ok_or("no gin index")?;
    assert_eq!(gin.key[0].equality, None);
    assert_eq!(
        gin.options.get("fastupdate").map(String::as_str),
        Some("off")
    );
    let unique = index("code_unique").ok_or("no unique index")?;
    assert!(unique.unique && !unique.immediate);
    assert_eq!(
        unique.constraint.as_ref().map(|found| found.kind),
        Some(ConstraintKind::Unique)
    );
    assert!(index("by_no").is_some_and(|found| found.clustered && found.constraint.is_none()));
    assert!(index("no_overlap").is_some_and(|found| found.exclusion));
    let key = table.primary_key().ok_or("no primary key")?;
    assert_eq!(key.key_columns(), Some(vec![&ident("id")?]));
    Ok(())
}

#[tokio::test]
async fn constraints_and_foreign_keys() -> Result<()> {
    let table = Rich::create().await?.table().await?;
    let get = |name: &str| {
        table
            .constraints
            .iter()
            .find(|found| found.name.as_str() == name)
            .ok_or(name.to_owned())
    };
    let check = get("qty_positive")?;
    assert_eq!(check.expression.as_deref(), Some("(qty > 0)"));
    assert!(check.validated && check.no_inherit && check.enforced);
    assert_eq!(check.comment.as_deref(), Some("at least one"));
    assert!(!get("price_positive")?.validated);
    let unique = get("code_unique")?;
    assert!(unique.deferrable && !unique.initially_deferred);
    assert_eq!(unique.columns, [ident("code")?, ident("customer_id")?]);
    assert_eq!(unique.index, Some(ident("code_unique")?));
    assert_eq!(get("no_overlap")?.kind, ConstraintKind::Exclusion);
    assert_eq!(get("late")?.kind, ConstraintKind::Trigger);

    let outgoing = get("customer_fk")?
        .foreign_key
        .clone()
        .ok_or("no foreign key")?;
    assert_eq!(outgoing.references, name("\"Shop\".customers")?);
    assert_eq!(outgoing.referenced_columns, [ident("id")?]);
    assert_eq!(outgoing.on_update, ReferentialAction::Cascade);
    assert_eq!(outgoing.on_delete, ReferentialAction::Restrict);
    let own = get("parent_fk")?
        .foreign_key
        .clone()
        .ok_or("no foreign key")?;
    assert_eq!(
        (own.references, own.on_delete),
        (name(NAME)?, ReferentialAction::SetNull)
    );
    assert_eq!(table.foreign_keys().count(), 2);

    let [inbound] = &table.inbound_foreign_keys[..] else {
        return Err(format!("{:?}", table.inbound_foreign_keys).into());
    };
    assert_eq!(inbound.table, name("other.shipments")?);
    assert_eq!(inbound.constraint.name, ident("item_fk")?);
    assert_eq!(inbound.constraint.columns, [ident("item_id")?]);
    assert!(inbound.constraint.initially_deferred && !inbound.constraint.validated);
    let key = inbound
        .constraint
        .foreign_key
        .clone()
        .ok_or("no foreign key")?;
    assert_eq!(
        (key.matching, key.on_delete),
        (Match::Full, ReferentialAction::Cascade)
    );
    assert_eq!(key.referenced_index, Some(ident("Order Item_pkey")?));
    Ok(())
}

#[tokio::test]
async fn sequences() -> Result<()> {
    let table = Rich::create().await?.table().await?;
    let found: Vec<_> = table
        .sequences
        .iter()
        .map(|sequence| {
            (
                sequence.name.name.as_str(),
                sequence.column.as_str(),
                sequence.usage,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("Order Item_No_seq", "No", SequenceUse::Identity),
            ("Order Item_id_seq", "id", SequenceUse::Owned),
        ]
    );
    let identity = &table.sequences[0];
    assert_eq!(
        (identity.start, identity.increment, identity.cache),
        (10, 5, 3)
    );
    assert_eq!(identity.data_type, "integer");
    assert_eq!(identity.max, i64::from(i32::MAX));
    let serial = &table.sequences[1];
    assert_eq!(serial.comment.as_deref(), Some("numbers"));
    assert!(
        serial
            .acl
            .grants
            .iter()
            .any(|grant| grant.privilege == Privilege::Usage)
    );
    let [shared] = &table.shared_sequences[..] else {
        return Err(format!("{:?}", table.shared_sequences).into());
    };
    assert_eq!(shared.name, name("other.shared_seq")?);
    assert_eq!(shared.columns, [ident("ticket")?]);
    Ok(())
}

#[tokio::test]
async fn triggers_rules_and_policies() -> Result<()> {
    let rich = Rich::create().await?;
    let table = rich.table().await?;
    let names: Vec<&str> = table
        .triggers
        .iter()
        .map(|found| found.name.as_str())
        .collect();
    assert_eq!(names, ["!crossfade_m_forward", "audit", "late", "touch"]);
    assert_eq!(table.user_triggers().count(), 3);
    let audit = &table.triggers[1];
    assert_eq!(audit.state, FiringState::Always);
    assert_eq!(
        (audit.timing, audit.level),
        (TriggerTiming::After, TriggerLevel::Statement)
    );
    let events = [
        TriggerEvent::Insert,
        TriggerEvent::Delete,
        TriggerEvent::Truncate,
    ];
    assert_eq!(audit.events, events);
    assert!(table.triggers[2].constraint);
    let touch = &table.triggers[3];
    assert_eq!(touch.function, name("\"Shop\".touch")?);
    assert_eq!(touch.update_of, [ident("qty")?, ident("price")?]);
    assert_eq!(
        touch.columns,
        [ident("qty")?, ident("price")?, ident("mood")?]
    );
    assert!(touch.condition);
    assert_eq!(touch.comment.as_deref(), Some("touches"));

    let [rule] = &table.rules[..] else {
        return Err("one rule".into());
    };
    assert!(rule.instead && rule.definition.contains("\"Shop\".\"Order Item\""));
    let [everyone, own] = &table.policies[..] else {
        return Err("two policies".into());
    };
    assert!(everyone.permissive && everyone.roles.is_empty());
    assert!(!own.permissive);
    assert_eq!(own.roles, [ident(rich.database.app())?]);
    assert_eq!(own.using.as_deref(), Some("(qty > 0)"));
    assert!(
        own.check
            .as_deref()
            .is_some_and(|text| text.contains("price"))
    );
    assert_eq!(own.columns, [ident("qty")?, ident("price")?]);
    Ok(())
}

#[tokio::test]
async fn publications_and_statistics() -> Result<()> {
    let rich = Rich::create().await?;
    let version = rich.catalog().await?.server_version_num;
    if version >= 150_000 {
        rich.admin
            .run(
                "alter publication some_items set table \"Shop\".\"Order Item\" (id, qty) where (id > 5);
                 create publication of_schema for tables in schema \"Shop\"",
            )
            .await?;
    }
    let table = rich.table().await?;
    let scopes: Vec<_> = table
        .publications
        .iter()
        .map(|found| (found.name.as_str(), found.scope))
        .collect();
    assert!(scopes.contains(&("everything", PublicationScope::AllTables)));
    assert!(scopes.contains(&("some_items", PublicationScope::Table)));
    if version >= 150_000 {
        assert!(scopes.contains(&("of_schema", PublicationScope::Schema)));
        let some = table
            .publications
            .iter()
            .find(|found| found.name.as_str() == "some_items");
        let some = some.ok_or("not published")?;
        assert_eq!(some.columns, Some(vec![ident("id")?, ident("qty")?]));
        assert_eq!(some.row_filter.as_deref(), Some("(id > 5)"));
    }
    let [statistics] = &table.statistics[..] else {
        return Err("one statistics object".into());
    };
    assert_eq!(statistics.name, name("other.qty_price")?);
    assert_eq!(statistics.columns, [ident("qty")?, ident("price")?]);
    assert_eq!(statistics.statistics_target, Some(50));
    assert_eq!(statistics.comment.as_deref(), Some("correlated"));
    Ok(())
}
