pragma journal_mode = memory;
pragma synchronous = off;

create table item(id integer primary key, name text not null, kind integer, price real, note text);
create table sale(id integer primary key, item integer references item(id), day text,
    pieces integer);

with recursive number(i) as (select 1 union all select i + 1 from number, size where i < n)
insert into item
select i, printf('item %08x', i * 2654435761 % 4294967296), i * 7919 % 97,
    (i * 104729 % 100000) / 100.0, substr(hex(i * 40503), 1, 4 + i % 9) || printf('%.*c', i % 60, 'x')
from number;

with recursive number(i) as (select 1 union all select i + 1 from number, size where i < 3 * n)
insert into sale
select i, 1 + i * 48271 % n, date('2020-01-01', printf('+%d days', i * 31 % 900)), 1 + i % 7
from number, size;

create index item_by_name on item(name);
create index item_by_kind on item(kind, price);
create index sale_by_item on sale(item, day);

create table changed(id integer, was text);
create trigger remember after update of note on item begin
    insert into changed values (old.id, old.note);
end;
update item set note = upper(note) || '!' where kind between 10 and 20;
delete from sale where pieces = 3 and day < '2021-01-01';
begin;
update item set price = price * 2;
rollback;
vacuum;
