//! A table's catalog as named parts, to find drift in.

use crossfade_plan::fingerprint::CatalogParts;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Acl, Column, Constraint, Dependent, Sequence, Table};

/// Keys that change without a change of the schema: a dump restored elsewhere has other numbers.
const VOLATILE: [&str; 3] = ["oid", "attnum", "type_oid"];

impl Table {
    /// Everything of the table that a plan relies on, as parts that a person can name:
    /// `column "public"."orders"."id"`, `owner of "public"."orders"`.
    ///
    /// Two tables that are defined alike have equal parts: there is no OID in them, no number of
    /// a column, no size, no statistics and no value of a sequence. Our own triggers are left out.
    /// A right is the same whether it was granted or assumed.
    pub fn parts(&self) -> CatalogParts {
        let mut parts = Parts {
            table: self.name.to_string(),
            parts: CatalogParts::new(),
        };
        parts.own(self);
        for column in &self.columns {
            parts.column(column);
        }
        parts.each("index", &self.indexes, |index| index.name.to_string());
        parts.constraints(&self.constraints);
        for inbound in &self.inbound_foreign_keys {
            let key = format!(
                "foreign key {}.{} to {}",
                inbound.table, inbound.constraint.name, self.name
            );
            parts.insert(key, inbound);
        }
        for sequence in &self.sequences {
            parts.sequence(sequence);
        }
        for shared in &self.shared_sequences {
            parts.insert(
                format!("sequence {} used by {}", shared.name, self.name),
                shared,
            );
        }
        for trigger in self.user_triggers() {
            parts.on_table("trigger", &trigger.name, trigger);
        }
        parts.each("rule", &self.rules, |rule| rule.name.to_string());
        parts.each("policy", &self.policies, |policy| policy.name.to_string());
        parts.each("publication", &self.publications, |publication| {
            // One publication can name the table and its schema.
            let scope = serde_json::to_value(publication.scope).unwrap_or_default();
            format!(
                "{} ({})",
                publication.name,
                scope.as_str().unwrap_or_default()
            )
        });
        parts.each("child", &self.children, |child| child.name.to_string());
        for statistics in &self.statistics {
            parts.insert(
                format!("statistics {} of {}", statistics.name, self.name),
                statistics,
            );
        }
        for dependent in &self.dependents {
            parts.dependent(dependent);
        }
        parts.parts
    }
}

struct Parts {
    table: String,
    parts: CatalogParts,
}

impl Parts {
    /// What there is only one of.
    fn own(&mut self, table: &Table) {
        let of = |what: &str| format!("{what} of {}", table.name);
        let order: Vec<_> = table.columns.iter().map(|column| &column.name).collect();
        self.insert(
            format!("table {}", table.name),
            &json!({
                "kind": table.kind,
                "persistence": table.persistence,
                "of_type": table.of_type,
                "extension": table.extension,
                "partition_key": table.partition_key,
                "parents": table.parents,
                "partition": table.partition,
            }),
        );
        self.insert(of("owner"), &table.owner);
        self.insert(format!("comment on {}", table.name), &table.comment);
        self.insert(of("row security"), &table.row_security);
        self.insert(of("replica identity"), &table.replica_identity);
        self.insert(of("storage"), &table.storage);
        self.insert(of("column order"), &order);
        self.insert(
            of("altered constraint triggers"),
            &table.altered_constraint_triggers,
        );
        self.insert(of("subscriptions"), &table.subscriptions);
        self.insert(of("security labels"), &table.security_labels);
        self.grants(&table.name.to_string(), &table.acl);
    }

    fn column(&mut self, column: &Column) {
        let name = format!("{}.{}", self.table, column.name);
        for grant in &column.grants {
            self.grant(&format!("column {name}"), grant);
        }
        self.insert(
            format!("column {name}"),
            &Column {
                grants: Vec::new(),
                ..column.clone()
            },
        );
    }

    fn constraints(&mut self, constraints: &[Constraint]) {
        self.each("constraint", constraints, |constraint| {
            constraint.name.to_string()
        });
    }

    fn sequence(&mut self, sequence: &Sequence) {
        let name = sequence.name.to_string();
        self.grants(&format!("sequence {name}"), &sequence.acl);
        let acl = Acl {
            implicit: true,
            grants: Vec::new(),
        };
        self.insert(
            format!("sequence {name}"),
            &Sequence {
                acl,
                ..sequence.clone()
            },
        );
    }

    fn dependent(&mut self, dependent: &Dependent) {
        let mut dependent = dependent.clone();
        let name = format!("{} {}", dependent.kind, dependent.identity);
        if let Some(view) = &mut dependent.view {
            self.grants(&name, &view.acl);
            view.acl = Acl {
                implicit: true,
                grants: Vec::new(),
            };
            // REFRESH is no change of the schema.
            view.populated = true;
        }
        self.insert(format!("dependent {name}"), &dependent);
    }

    fn grants(&mut self, object: &str, acl: &Acl) {
        for grant in &acl.grants {
            self.grant(object, grant);
        }
    }

    fn grant(&mut self, object: &str, grant: &super::Grant) {
        let grantee = grant
            .grantee
            .as_ref()
            .map_or_else(|| "public".to_owned(), ToString::to_string);
        self.insert(
            format!(
                "grant {} on {object} to {grantee} by {}",
                grant.privilege, grant.grantor
            ),
            &json!({ "grantable": grant.grantable }),
        );
    }

    fn each<T: Serialize>(&mut self, kind: &str, objects: &[T], name: impl Fn(&T) -> String) {
        for object in objects {
            self.on_table(kind, &name(object), object);
        }
    }

    fn on_table(&mut self, kind: &str, name: &impl std::fmt::Display, object: &impl Serialize) {
        self.insert(format!("{kind} {name} on {}", self.table), object);
    }

    fn insert(&mut self, name: String, object: &impl Serialize) {
        let Ok(mut value) = serde_json::to_value(object) else {
            unreachable!("the catalog's types have string keys and plain values only")
        };
        strip(&mut value);
        self.parts.insert(name, value.to_string());
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            object.values_mut().for_each(strip);
        }
        Value::Array(array) => array.iter_mut().for_each(strip),
        _ => {}
    }
}
