-- A table with everything that a catalog can hang on one. Runs as the superuser in a database of
-- its own; $owner and $app stand for roles.
create schema "Shop";
create schema other;
grant usage, create on schema "Shop", other to $owner;
set role $owner;
set search_path = pg_catalog;

create type "Shop"."Mood" as enum ('sad', 'ok', 'happy');
create domain "Shop".percent as numeric(5, 2) check (value between 0 and 100);
create domain "Shop".rate as "Shop".percent;
create domain "Shop".label as text;
create type "Shop".pair as (a int, b json);
create collation "Shop".insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

create table "Shop".customers (id bigint primary key, name text not null);
create table "Shop".base (created_at timestamptz not null default now());
create sequence other.shared_seq;

create table "Shop"."Order Item" (
    id bigserial,
    dropped int,
    "No" int generated always as identity (start 10 increment 5 cache 3),
    "a ""quoted"" name" text collate "Shop".insensitive,
    customer_id bigint not null,
    parent_id bigint,
    qty int not null default 1,
    price numeric(10, 2),
    total numeric generated always as (qty * price) stored,
    mood "Shop"."Mood" default 'ok',
    rate "Shop".rate,
    label "Shop".label,
    tags text[] default '{}',
    doc json,
    docs json[],
    place point,
    pair "Shop".pair,
    code varchar(20) collate "C",
    during tstzrange,
    ticket bigint default nextval('other.shared_seq'::pg_catalog.regclass),
    abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk boolean,
    constraint "Order Item_pkey" primary key (id),
    constraint code_unique unique (code, customer_id) deferrable initially immediate,
    constraint qty_positive check (qty > 0) no inherit,
    constraint customer_fk foreign key (customer_id) references "Shop".customers
        on update cascade on delete restrict deferrable,
    constraint parent_fk foreign key (parent_id) references "Shop"."Order Item" on delete set null,
    constraint no_overlap exclude using gist (during with &&)
) inherits ("Shop".base) with (fillfactor = 90, toast.autovacuum_enabled = off);
alter table "Shop"."Order Item" drop column dropped;
alter table "Shop"."Order Item" add constraint price_positive check (price > 0) not valid;

create index "by lower code" on "Shop"."Order Item"
    (lower(code::text) text_pattern_ops, qty desc nulls last) include (price) where mood <> 'sad';
alter index "Shop"."by lower code" alter column 1 set statistics 200;
create index by_qty on "Shop"."Order Item" using hash (qty);
create index by_tags on "Shop"."Order Item" using gin (tags) with (fastupdate = off);
create unique index by_no on "Shop"."Order Item" ("No");
alter table "Shop"."Order Item" replica identity full;
alter table "Shop"."Order Item" cluster on by_no;
create statistics other.qty_price (dependencies) on qty, price from "Shop"."Order Item";
alter statistics other.qty_price set statistics 50;

alter table "Shop"."Order Item" alter column qty set statistics 500;
alter table "Shop"."Order Item" alter column code set (n_distinct = -0.5);
alter table "Shop"."Order Item" alter column doc set storage external;
alter table "Shop"."Order Item" alter column label set compression pglz;

create function "Shop".touch() returns trigger language plpgsql as $f$begin return new; end$f$;
create trigger touch before update of qty, price on "Shop"."Order Item"
    for each row when (old.mood is distinct from new.mood) execute function "Shop".touch();
create trigger audit after insert or delete or truncate on "Shop"."Order Item"
    for each statement execute function "Shop".touch();
alter table "Shop"."Order Item" enable always trigger audit;
create trigger "!crossfade_m_forward" after insert or update or delete on "Shop"."Order Item"
    for each row execute function "Shop".touch();
create constraint trigger late after insert on "Shop"."Order Item"
    deferrable initially deferred for each row execute function "Shop".touch();

create rule no_negative as on insert to "Shop"."Order Item" where new.qty < 0 do instead nothing;
create policy own on "Shop"."Order Item" as restrictive for update to $app
    using (qty > 0) with check (price > 0);
create policy everyone on "Shop"."Order Item" using (true);
alter table "Shop"."Order Item" enable row level security;

grant select on "Shop"."Order Item" to public;
grant insert, delete on "Shop"."Order Item" to $app with grant option;
grant update (qty, price) on "Shop"."Order Item" to $app;
grant usage on sequence "Shop"."Order Item_id_seq" to $app;

comment on table "Shop"."Order Item" is 'it''s the items';
comment on column "Shop"."Order Item".qty is 'how many';
comment on index "Shop".by_qty is 'for equality';
comment on constraint qty_positive on "Shop"."Order Item" is 'at least one';
comment on trigger touch on "Shop"."Order Item" is 'touches';
comment on policy own on "Shop"."Order Item" is 'own rows';
comment on rule no_negative on "Shop"."Order Item" is 'ignored';
comment on statistics other.qty_price is 'correlated';
comment on sequence "Shop"."Order Item_id_seq" is 'numbers';

create table other.shipments (
    id bigint primary key,
    item_id bigint,
    snapshot "Shop"."Order Item"
);
alter table other.shipments add constraint item_fk foreign key (item_id)
    references "Shop"."Order Item" (id)
    match full on delete cascade deferrable initially deferred not valid;
create table other.borrower (
    id bigint default nextval('"Shop"."Order Item_id_seq"'::pg_catalog.regclass)
);
create table "Shop".special_items () inherits ("Shop"."Order Item");

create view "Shop".cheap with (security_barrier = true)
    as select id, qty, price from "Shop"."Order Item" where price < 10;
grant select on "Shop".cheap to $app;
grant select (id) on "Shop".cheap to public;
comment on view "Shop".cheap is 'bargains';
create view other.cheaper as select id from "Shop".cheap where price < 5;
create materialized view other.totals as
    select customer_id, sum(total) as total from "Shop"."Order Item" group by customer_id with no data;
create index totals_customer on other.totals (customer_id);
create view other.grouped as select id, qty from "Shop"."Order Item" group by id;
create function other.count_items(wanted bigint) returns bigint language sql
    begin atomic select count(*) from "Shop"."Order Item" where customer_id = wanted; end;
create function other.describe(item "Shop"."Order Item") returns text language sql
    as $f$select item.code$f$;
create function other.all_of() returns setof "Shop"."Order Item" language sql
    as $f$select * from "Shop"."Order Item"$f$;
create policy of_items on "Shop".customers
    using (exists (select from "Shop"."Order Item" as i where i.customer_id = customers.id));
create rule note as on delete to "Shop".customers
    do also delete from "Shop"."Order Item" where customer_id = old.id;

reset role;
reset search_path;
create publication some_items for table "Shop"."Order Item";
create publication everything for all tables;
