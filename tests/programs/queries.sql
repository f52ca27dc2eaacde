pragma integrity_check;
select count(*), sum(price), min(name), max(note) from item;
select kind, count(*), round(avg(price), 3) from item group by kind order by 2 desc, 1 limit 20;
select item.kind, sale.day, sum(sale.pieces * item.price) as money
    from sale join item on item.id = sale.item
    group by item.kind, sale.day having money > 2000 order by money desc, 1, 2 limit 200;
select name, length(note), rank() over (partition by kind order by price desc, id) as place
    from item order by place, name limit 100;
select substr(name, 6, 2) as head, group_concat(substr(name, 8), ',')
    from (select name from item order by name) group by head order by head;
with recursive up(id, next) as (
    select id, 1 + id * 48271 % 1000 from item where id <= 50
    union select up.next, 1 + up.next * 48271 % 1000 from up)
select count(*), sum(id) from up;
select json_group_array(json_object('id', id, 'name', name, 'price', price))
    from (select * from item where kind = 7 order by id);
select count(*), sum(length(was)) from changed;
select name from item where note like '%XX!' and name glob 'item [0-7]*' order by note, name limit 50;
